"""One function over many items, by threads or processes; results come in the items' order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from instageo.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 8
"""Items that a process is given at a time."""


def map_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """For few items, and for work that waits."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(work, items)


def prefetch(work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """For steps beside each other: results are worked out by threads, `ahead` of them before they are asked for.

    Items are taken in the calling thread, so that one step may take what another gives.
    """
    pool = ThreadPoolExecutor(max(ahead, 1))
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def map_processes(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """For work that holds Python's lock. PyTorch's loader minds the processes: they end when this one does.

    Raises:
        DataError: A process was ended from outside.
    """
    from torch import Generator  # takes seconds, which few items are not worth
    from torch.utils.data import DataLoader

    calls: DataLoader[Result] = DataLoader(
        _Calls(work, items),  # type: ignore[arg-type]  # a sequence is all that a loader asks for
        batch_size=AT_ONCE,
        num_workers=os.cpu_count() or 1,
        collate_fn=list,
        generator=Generator(),  # its own, so that no seed drawn elsewhere depends on this
    )
    try:
        for results in calls:
            yield from results
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):  # what the loader says of processes that are no more
            raise
        raise DataError(
            f"a process that looked at files was ended from outside, for lack of memory? ({error})"
        ) from error


@dataclass(frozen=True)
class _Calls(Generic[Item, Result]):
    """The results as a sequence, each worked out when it is asked for."""

    work: Callable[[Item], Result]
    items: Sequence[Item]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Result:
        return self.work(self.items[index])
