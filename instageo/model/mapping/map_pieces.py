"""Make pieces of a map: read strips, predict tiles, average them, and write rows of blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import DataError
from instageo.model.chips.sample import Sample
from instageo.model.gpu.copies import gpu_copies
from instageo.model.inference.blending import NonFiniteOutputError, RollingSum
from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.ordered_work import MIN_BATCH, OrderedWork, divide_threads
from instageo.model.mapping.piece_writer import PieceWriter
from instageo.model.mapping.prepared_map import PieceRange, PreparedMap
from instageo.model.scenes.tiles import TileRows
from instageo.runtime.memory import explain_memory_errors

SAMPLE_STEP, MAX_SAMPLES = 8, 256
"""Step between the pixels, and number of the tiles of a scene, that are compared with the training chips."""

WRITERS_BEHIND_GPU = 4
"""Threads that write pieces; behind a network on a CPU it is one."""

MEMORY_ADVICE = "lower memory_mb or the batch size (train.batch_size), or use a machine with more memory"


@dataclass
class MadePieces:
    """What was predicted for some pieces.

    Attributes:
        num_tiles: Tiles that were predicted.
        num_empty: Tiles without a valid pixel, which were not predicted.
        samples: Some pixels of some of the tiles.
    """

    num_tiles: int = 0
    num_empty: int = 0
    samples: list[Sample] = field(default_factory=list)


def map_pieces(
    ensemble: Ensemble,
    prepared: PreparedMap,
    pieces: PieceRange,
    *,
    max_samples: int = MAX_SAMPLES,
    progress: Callable[[int], None] = lambda _: None,
) -> MadePieces:
    """Make those of some pieces that are missing; what they hold does not depend on which others are made with them.

    Args:
        ensemble: The networks.
        prepared: The map.
        pieces: Which pieces.
        max_samples: Most tiles of which some pixels are returned.
        progress: Called after each row of tiles with the number of its tiles.

    Raises:
        DataError: The network's output is not a number.
        OutOfMemoryError: Memory runs out.
        RasterError: The scene cannot be read.
        WriteError: The disk refuses a piece.
    """
    missing = [row for row in pieces.rows if not prepared.has_pieces(pieces.panel, row)]
    maker = _PieceMaker(ensemble, prepared, pieces.panel, max_samples)
    if missing:
        rest = PieceRange(pieces.panel, range(missing[0], pieces.rows.stop))
        progress(prepared.num_tiles(pieces) - prepared.num_tiles(rest))
        with explain_memory_errors(prepared.source.name, MEMORY_ADVICE):
            maker.make(rest, progress)
    else:
        progress(prepared.num_tiles(pieces))
    return maker.made


def find_unlike_bands(predictor: Predictor, samples: Sequence[Sample]) -> dict[str, str]:
    """Return the bands whose values are unlike the training chips, `higher` or `lower`, from some of the pixels."""
    if not samples:
        return {}
    image = torch.cat([sample.image.flatten(-2) for sample in samples], dim=-1)
    valid = torch.cat([sample.valid.flatten(-2) for sample in samples], dim=-1)
    return predictor.find_unlike_bands(Sample(image[..., None].cpu(), valid[..., None].cpu()))


class _PieceMaker:
    """Makes pieces of one panel."""

    def __init__(self, ensemble: Ensemble, prepared: PreparedMap, panel: int, max_samples: int) -> None:
        self.ensemble, self.prepared, self.panel, self.max_samples = ensemble, prepared, panel, max_samples
        self.source, self.plan = prepared.source, prepared.plan
        self.with_spread = any(file.kind == "spread" for file in prepared.files)
        self.threads = divide_threads(ensemble.first, self.plan.tiling.batch_size)
        self.copies = gpu_copies(ensemble.first.device)
        self.made = MadePieces()

    def make(self, pieces: PieceRange, progress: Callable[[int], None]) -> None:
        """Make all pieces of a range."""
        plan, pixels = self.plan, self.prepared.pixel_rows(pieces)
        window = self.prepared.layout.columns(self.panel)
        tile_rows, tile_columns = plan.tile_rows(pixels), plan.tile_columns(window)
        rows, columns = plan.rows, plan.columns
        num_values = self.ensemble.first.task.num_outputs * (2 if self.with_spread else 1)
        device = self.ensemble.first.device
        sums = RollingSum(num_values, rows, columns, first_row=pixels.start, window=window, device=device)
        read_columns = slice(columns.window(tile_columns[0]).start, columns.window(tile_columns[-1]).stop)
        read_rows = slice(rows.window(tile_rows[0]).start, rows.window(tile_rows[-1]).stop)
        first = pixels.start
        with (
            TileRows(self.source, read_columns, read_rows, self.copies) as tiles,
            self._writer(pieces.rows.start) as writer,
            OrderedWork[Tensor](*self.threads) as network,
        ):
            for row in tile_rows:
                tiles.read_until(rows.window(row).stop)
                self._predict_row(tiles, network, sums, row, tile_columns)
                stop = pixels.stop if row == tile_rows[-1] else rows.starts[row + 1]
                if stop > first:
                    valid = torch.from_numpy(tiles.wanted(slice(first, stop), window))
                    network.then(partial(self._write, writer, sums, stop, valid))
                    first = stop
                tiles.forget_before(stop)
                network.then(partial(progress, len(tile_columns)))

    def _write(self, writer: PieceWriter, sums: RollingSum, stop: int, valid: Tensor) -> None:
        writer.append(sums.pop(stop), self.ensemble.first.observed(valid))

    def _writer(self, first_row: int) -> PieceWriter:
        prepared, task = self.prepared, self.ensemble.first.task
        return PieceWriter(
            prepared.files,
            prepared.stores,
            self.panel,
            first_row,
            task,
            with_spread=self.with_spread,
            num_threads=WRITERS_BEHIND_GPU if self.copies else 1,
        )

    def _predict_row(
        self,
        tiles: TileRows,
        network: OrderedWork[Tensor],
        sums: RollingSum,
        row: int,
        tile_columns: range,
    ) -> None:
        rows, columns = self.plan.rows.window(row), self.plan.columns
        observed = [column for column in tile_columns if self._is_observed(tiles.wanted(rows, columns.window(column)))]
        self.made.num_empty += len(tile_columns) - len(observed)
        self.made.num_tiles += len(observed)
        for batch in _batches(observed, max(self.plan.tiling.batch_size // self.threads[0], MIN_BATCH)):
            padded = [*batch, *batch[-1:] * (MIN_BATCH - len(batch))]
            samples = tiles.batch(rows, [columns.window(column) for column in padded])
            self._remember(samples)
            lefts = [columns.window(column).start for column in padded]
            network.add(partial(self._predict, samples, rows.start, lefts), partial(_add, sums, row, batch))

    def _predict(self, batch: Sample, top: int, lefts: Sequence[int]) -> Tensor:
        """Return the averages of tiles; their first row and first columns are for messages."""
        try:
            return self.ensemble.predict(batch, spread=self.with_spread)
        except NonFiniteOutputError as error:
            left = lefts[error.index]
            raise DataError(f"{self.source.name}: the tile at row {top}, column {left}: {error}") from error

    def _is_observed(self, valid: NDArray[np.bool_]) -> bool:
        """Return whether any pixel of a tile gets a value; `valid` is (T, h, w)."""
        if len(valid) == 1 or not valid.any():
            return bool(valid.any())
        return bool(self.ensemble.first.observed(torch.from_numpy(valid)).any())

    def _remember(self, batch: Sample) -> None:
        if len(self.made.samples) < self.max_samples:
            part = np.s_[0, ..., ::SAMPLE_STEP, ::SAMPLE_STEP]
            self.made.samples.append(Sample(batch.image[part].clone(), batch.valid[part].clone()))


def _add(sums: RollingSum, row: int, columns: Sequence[int], outputs: Tensor) -> None:
    for column, values in zip(columns, outputs, strict=False):  # without the padding
        sums.add(values, row, column)


def _batches(columns: Sequence[int], size: int) -> Iterator[list[int]]:
    remaining = iter(columns)
    while batch := list(islice(remaining, size)):
        yield batch
