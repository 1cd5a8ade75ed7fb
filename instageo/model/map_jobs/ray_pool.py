"""Worker processes on Ray that take one task each; those that are killed are replaced, and their tasks done again."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from instageo.errors import DataError, InstaGeoError

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Task:
    """A task of some owner.

    Attributes:
        owner: Whose it is.
        work: What the worker gets.
        num_killed: Workers that were killed while they did it.
    """

    owner: Any
    work: Any
    num_killed: int = 0


class WorkerPool:
    """Starts workers when there is something to do for them, and hands out tasks.

    A worker is an actor with the methods `load()`, which returns an error, a warning or None, and `run(work)`, which
    returns a result or an error.

    Args:
        start: Starts a worker.
        size: Most workers at a time.
        max_retries: Further attempts of a task whose worker was killed.
        max_loads: Most workers that may be killed while they load.
        explain_killed_loads: Makes the error if there are more.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        size: int,
        max_retries: int,
        max_loads: int,
        explain_killed_loads: Callable[[], InstaGeoError],
    ) -> None:
        self.size = size
        self._start, self._max_retries, self._max_loads = start, max_retries, max_loads
        self._explain_killed_loads = explain_killed_loads
        self._queue: deque[_Task] = deque()
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, _Task | None]] = {}
        self._killed_loads = 0
        self._warnings: set[str] = set()

    @property
    def num_queued(self) -> int:
        """Tasks that no worker has begun."""
        return len(self._queue)

    def submit(self, owner: object, work: object, *, first: bool = False) -> None:
        """Add a task; `first` puts it before those that wait."""
        task = _Task(owner, work)
        if first:
            self._queue.appendleft(task)
        else:
            self._queue.append(task)
        self._hand_out()

    def withdraw(self, owner: object) -> int:
        """Remove the tasks of an owner that no worker has begun, and return how many there were."""
        kept = [task for task in self._queue if task.owner is not owner]
        count = len(self._queue) - len(kept)
        self._queue = deque(kept)
        return count

    def next(self) -> tuple[Any, Any]:
        """Wait for the end of a task, and return its owner, and its result or error.

        Raises:
            InstaGeoError: A worker cannot load what all need.
        """
        while True:
            self._hand_out()
            [done], _ = ray.wait(list(self._busy), num_returns=1)
            worker, task = self._busy.pop(done)
            try:
                result = ray.get(done)
            except RayTaskError:
                raise
            except RayError:
                log.warning("a process or a machine was lost; its work is repeated")
                error = self._count_killed(task)
                if task is not None and error is not None:
                    return task.owner, error
                continue
            self._idle.append(worker)
            if task is not None:
                return task.owner, result
            self._check_loaded(result)

    def close(self) -> None:
        """End all workers."""
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            ray.kill(worker)
        self._idle, self._busy = [], {}

    def _hand_out(self) -> None:
        while self._queue and self._idle:
            worker, task = self._idle.pop(), self._queue.popleft()
            self._busy[worker.run.remote(task.work)] = worker, task
        loading = sum(task is None for _, task in self._busy.values())
        while loading < len(self._queue) and len(self._busy) < self.size:
            worker = self._start()
            self._busy[worker.load.remote()] = worker, None
            loading += 1

    def _count_killed(self, task: _Task | None) -> InstaGeoError | None:
        """Queue a task again, or return an error if it has no attempt left."""
        if task is None:
            self._killed_loads += 1
            if self._killed_loads >= self._max_loads:
                raise self._explain_killed_loads()
            return None
        task.num_killed += 1
        if task.num_killed > self._max_retries:
            return DataError(
                f"{task.owner}: its process was killed in each attempt, perhaps for lack of memory; lower memory_mb, "
                "or use fewer processes with ray.num_workers"
            )
        self._queue.appendleft(task)
        return None

    def _check_loaded(self, result: object) -> None:
        if isinstance(result, InstaGeoError):
            raise result
        if isinstance(result, str) and result not in self._warnings:
            log.warning("%s", result)
            self._warnings.add(result)
