"""Fetch once what several threads want: the first that asks for it fetches, and the others wait for it."""

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

Key = TypeVar("Key")
Thing = TypeVar("Thing")


class InFlight(Generic[Key, Thing]):
    """What threads fetch at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[Key, Future[Thing]] = {}

    def claim(self, keys: Iterable[Key]) -> "Claim[Key, Thing]":
        """Return a claim: on those of the keys that no other thread is fetching, this one has to."""
        own, others = dict[Key, Future[Thing]](), dict[Key, Future[Thing]]()
        with self._lock:
            for key in keys:
                if key in self._coming:
                    others[key] = self._coming[key]
                else:
                    own[key] = self._coming[key] = Future()
        return Claim(self, own, others)

    def remove(self, keys: Iterable[Key]) -> None:
        """Note that things are no longer being fetched."""
        with self._lock:
            for key in keys:
                del self._coming[key]


class Claim(Generic[Key, Thing]):
    """What one thread is fetching, and what it waits for, in `with`: threads that wait for it fail with it.

    Attributes:
        own: Keys that this thread has to fetch; it calls `finish` for each.
    """

    def __init__(
        self, things: InFlight[Key, Thing], own: dict[Key, Future[Thing]], others: dict[Key, Future[Thing]]
    ) -> None:
        self._things, self._futures, self._others = things, own, others
        self.own = list(own)

    def finish(self, key: Key, thing: Thing) -> None:
        """Give a thing to all threads that wait for it."""
        self._futures[key].set_result(thing)

    def wait(self) -> dict[Key, Thing]:
        """Return everything that was claimed, once other threads have fetched their part.

        Raises:
            BaseException: What has stopped another thread.
        """
        return {key: future.result() for key, future in (*self._futures.items(), *self._others.items())}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._things.remove(self.own)
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error or RuntimeError("another thread has not fetched this"))
