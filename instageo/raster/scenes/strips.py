"""Read a scene strip by strip in threads of their own, ahead of the consumer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from instageo.raster.scenes.pixel_scene import OpenRows, PixelScene

Ends = tuple[int, int]
"""First row of a strip, and the first one after it."""


@dataclass(frozen=True)
class Strip:
    """Rows of a scene.

    Attributes:
        row: Row of the scene that comes first.
        values: Shape (L, h, w), in the type of the scene.
        valid: Shape (T, h, w), False where a band has no observation at this date, or its quality layer excludes it.
        column: Column of the scene that comes first.
    """

    row: int
    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    column: int = 0


Prepare = Callable[[Strip], Strip]
"""Changes a strip in the thread that has read it."""


class StripReader:
    """The strips of a part of a scene, from top to bottom; each iteration reads them again.

    Strips end where blocks of the finest file do. Each thread opens the files for itself, since GDAL's handles must not
    be shared, and reads one strip ahead. Leaving the iteration early ends the threads after the part of a strip that
    they are reading.
    """

    def __init__(
        self,
        scene: PixelScene,
        open_rows: OpenRows,
        columns: slice,
        rows: slice,
        *,
        threads: int = 1,
        prepare: Prepare = lambda strip: strip,
    ) -> None:
        """Prepare reading; no file is opened yet.

        Args:
            scene: The scene.
            open_rows: Opens its rows.
            columns: Columns to read, integers inside the scene.
            rows: Rows to read, likewise.
            threads: Number of threads, which take strips in turn; more than one helps with URLs, and with a GPU.
            prepare: Changes each strip in the thread that has read it.
        """
        for name, part, length in (("columns", columns, scene.grid.width), ("rows", rows, scene.grid.height)):
            if not 0 <= part.start < part.stop <= length:
                raise ValueError(f"{name} {part.start} to {part.stop} are not inside 0 to {length}")
        self._open_rows, self._columns, self._threads, self._prepare = open_rows, columns, threads, prepare
        step = scene.strip_rows
        borders = range(rows.start // step * step + step, rows.stop, step)
        starts = [rows.start, *borders]
        self._ends: list[Ends] = list(zip(starts, [*borders, rows.stop], strict=True))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Strip]:
        """Yield the strips.

        Raises:
            RasterError: A file cannot be read.
        """
        count = max(min(self._threads, len(self._ends)), 1)
        workers = [
            _Worker(self._open_rows, self._columns, self._ends[number::count], self._prepare) for number in range(count)
        ]
        try:
            for number in range(len(self._ends)):
                yield workers[number % count].next()
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.join()


class _Worker:
    """A thread that reads strips, at most one more than was taken."""

    def __init__(self, open_rows: OpenRows, columns: slice, strips: list[Ends], prepare: Prepare) -> None:
        self._open_rows, self._columns, self._strips, self._prepare = open_rows, columns, strips, prepare
        self._results: Queue[Strip | BaseException] = Queue(1)
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="strips", daemon=True)
        self._thread.start()

    def next(self) -> Strip:
        result = self._results.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def stop(self) -> None:
        """Ask the thread to end; it can put one more result into the queue, for which there is room then."""
        self._stopped.set()
        if not self._results.empty():
            self._results.get_nowait()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._open_rows(self._columns, self._stopped.is_set) as rows:
                for start, stop in self._strips:
                    if self._stopped.is_set():
                        return
                    self._results.put(self._prepare(Strip(start, *rows.read(start, stop), self._columns.start)))
        except BaseException as error:  # noqa: BLE001 (the consumer raises it)
            if not self._stopped.is_set():
                self._results.put(error)
