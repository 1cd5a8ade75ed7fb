"""SIGTERM, with which schedulers and service managers end a program, stops it in order, as Ctrl-C does."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143
"""Exit status after Ctrl-C and after SIGTERM, as shells report them."""


class Termination:
    """A handler of SIGTERM that raises `KeyboardInterrupt`, once, in the process that installed it.

    It raises no exception of its own, because libraries that call back into Python pass on no other.

    Attributes:
        received: Whether the signal has arrived.
    """

    def __init__(self) -> None:
        self.received, self._process = False, os.getpid()

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle the signal; a process that was forked from the one that installed the handler ends at once."""
        if os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self.received:  # a second signal must not stop what the first one began
            self.received = True
            raise KeyboardInterrupt


RETRY_S = 0.05
"""Seconds after which an exception that was lost is raised again."""

_installed: list[Termination] = []
"""The handler in use, if any."""


@contextmanager
def handler_kept() -> Iterator[Callable[[], None]]:
    """Restore the handler of SIGTERM when this block ends, after a library has replaced it by its own.

    Yields a function that does what the handler does, for a signal that the library's own has received.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield lambda: before(signal.SIGTERM, None) if callable(before) else None
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


@contextmanager
def interrupt_on_sigterm() -> Iterator[Termination]:
    """Raise `KeyboardInterrupt` on SIGTERM inside this block; blocks within such a block share its handler."""
    if _installed or threading.current_thread() is not threading.main_thread():
        yield _installed[0] if _installed else Termination()
        return
    termination = Termination()
    with handler_kept(), _raised_again_if_lost(termination):
        _installed.append(termination)
        signal.signal(signal.SIGTERM, termination)
        try:
            yield termination
        finally:
            _installed.clear()


@contextmanager
def _raised_again_if_lost(termination: Termination) -> Iterator[None]:
    """Raise the exception again in this block if it was raised in a destructor, where Python reports it and goes on."""
    before = sys.unraisablehook

    def send_again() -> None:
        if termination in _installed:
            os.kill(os.getpid(), signal.SIGTERM)

    def report(lost: "sys.UnraisableHookArgs") -> None:
        if termination.received and isinstance(lost.exc_value, KeyboardInterrupt):
            termination.received = False
            threading.Timer(RETRY_S, send_again).start()
        else:
            before(lost)

    sys.unraisablehook = report
    try:
        yield
    finally:
        sys.unraisablehook = before


def was_terminated() -> bool:
    """Return whether SIGTERM has arrived inside such a block."""
    return bool(_installed) and _installed[0].received
