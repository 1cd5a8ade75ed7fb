"""Gather the averaged rows of a panel to pieces of the map's files, and write these while the network computes."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from instageo.model.mapping.map_files import MapFile, PredictedRows
from instageo.model.tasks.base import Task
from instageo.model.tasks.predictions import ClassPrediction, RegressionPrediction
from instageo.raster.map_files.pieces import PieceStore


class PieceWriter:
    """Writes the pieces of a panel in threads, each one piece behind the network at most.

    Args:
        files: Files of the map.
        stores: Where the pieces of each file are kept.
        panel: Number of the panel.
        first_piece: Number of the first row of blocks.
        task: Gives averages their meaning.
        with_spread: Whether deviations follow the averages.
        num_threads: Threads that write pieces side by side.
    """

    def __init__(
        self,
        files: Sequence[MapFile],
        stores: Sequence[PieceStore],
        panel: int,
        first_piece: int,
        task: Task,
        *,
        with_spread: bool,
        num_threads: int = 1,
    ) -> None:
        self._files, self._stores, self._panel, self._row = files, stores, panel, first_piece
        self._task, self._with_spread = task, with_spread
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(num_threads)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "PieceWriter":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self._wait(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def append(self, averages: Tensor, observed: Tensor) -> None:
        """Take further rows: averages (K, h, w), and which pixels were observed (h, w)."""
        self._parts.append((averages, observed))
        layout = self._files[0].layout
        while self._row < layout.num_rows():
            rows = layout.rows(self._row)
            wanted = rows.stop - rows.start
            if sum(len(part[1]) for part in self._parts) < wanted:
                return
            averages = torch.cat([part[0] for part in self._parts], dim=1)
            observed = torch.cat([part[1] for part in self._parts])
            self._parts = [(averages[:, wanted:].clone(), observed[wanted:].clone())]
            self._wait(self._num_threads - 1)
            self._pending.append(self._pool.submit(self._write, self._row, averages[:, :wanted], observed[:wanted]))
            self._row += 1

    def _wait(self, num_pending: int) -> None:
        """Wait until at most that number of pieces are not written yet."""
        while len(self._pending) > num_pending:
            self._pending.popleft().result()

    def _write(self, row: int, averages: Tensor, observed: Tensor) -> None:
        predicted = self._predicted(averages.cpu(), observed)
        for file, store in zip(self._files, self._stores, strict=True):
            if not store.has(0, self._panel, row):
                store.write_rows(self._panel, row, file.encode(predicted))

    def _predicted(self, averages: Tensor, observed: Tensor) -> PredictedRows:
        task = self._task
        mean, deviation = averages[: task.num_outputs], averages[task.num_outputs :]
        prediction = task.average_to_prediction(mean, observed)
        if isinstance(prediction, ClassPrediction):
            if not self._with_spread:
                return PredictedRows(prediction)
            chosen = torch.from_numpy(prediction.classes.astype("int64")).clamp(max=task.num_outputs - 1)
            return PredictedRows(prediction, deviation.gather(0, chosen[None])[0].numpy())
        if not isinstance(prediction, RegressionPrediction):
            raise TypeError(f"{type(prediction).__name__} is not a map")
        if not self._with_spread:
            return PredictedRows(prediction)
        # In natural units, which may be logarithms of the network's scale: half the way from mean - s to mean + s.
        ends = [task.average_to_prediction(mean + sign * deviation, observed) for sign in (-1, 1)]
        lower, higher = (end.values for end in ends if isinstance(end, RegressionPrediction))
        return PredictedRows(prediction, abs(higher - lower) * np.float32(0.5))
