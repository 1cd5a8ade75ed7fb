"""Run a network on images of any size: overlapping tiles, averaged; each pixel gets one result, without randomness.

How much a tile counts for a pixel rises linearly over the part that it shares with its neighbours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice

import torch
from torch import Tensor

from instageo.errors import DataError
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.inference.tiling import Activation, TileAxis, Tiling
from instageo.runtime.parallel import prefetch

Forward = Callable[[Sample], Tensor]
"""From a batch of decoded chips, image (B, C, T, h, w), which it may change, to outputs (B, K, h, w), or image-level
ones (B, K, 1, 1)."""


class NonFiniteOutputError(DataError):
    """The network's output for an image is infinite or not a number.

    Attributes:
        index: Of the image in its list.
    """

    def __init__(self, index: int) -> None:
        super().__init__(
            "the network's output is not a number: training has diverged (lower train.learning_rate, set "
            "train.gradient_clip_val=1), or pixel values are extreme (compare mode=stats with dataloader.mean and "
            "dataloader.std)"
        )
        self.index = index


@lru_cache(maxsize=64)
def compute_ramp(size: int, overlap: int, before: bool, after: bool, device: torch.device | None = None) -> Tensor:
    """Return how much each pixel along one side of a tile counts, (size,): linear over the overlap, 1 inside.

    The tensor is shared and must not be changed.

    Args:
        size: Pixels along the side.
        overlap: Pixels that neighbouring tiles share.
        before: Whether there is a tile before this one; at the border of an image pixels count fully.
        after: Whether there is a tile after this one.
        device: Where the tensor is; None for main memory.
    """
    rising = ((torch.arange(size) + 0.5) / max(overlap, 0.5)).clamp(max=1)
    ones = torch.ones(size)
    return ((rising if before else ones) * (rising.flip(0) if after else ones)).to(device)


def tile_ramp(axis: TileAxis, index: int, device: torch.device | None = None) -> Tensor:
    """Return how much the rows or columns of a tile count, (size,): less where it overlaps its neighbours."""
    return compute_ramp(axis.size, axis.tile - axis.stride, index > 0, index < len(axis.starts) - 1, device)


@lru_cache(maxsize=8)
def sum_of_ramps(axis: TileAxis) -> Tensor:
    """Return the sum of all ramps for each row or column of an image, (length,); it must not be changed."""
    total = torch.zeros(axis.length)
    for index in range(len(axis.starts)):
        total[axis.window(index)] += tile_ramp(axis, index)
    return total


class RollingSum:
    """Weighted sums of overlapping tiles, of which only the rows that further tiles may touch are kept.

    Tiles must be added row by row, from left to right, so that sums are the same in every run.

    Args:
        num_outputs: Values per pixel, K.
        rows: Tiles along the image's rows.
        columns: Tiles along the image's columns.
        first_row: First row of the image that is wanted.
        window: Columns of the image that are kept; None for all.
        height: Rows that are kept at a time; None for the rows of one tile.
    """

    def __init__(
        self,
        num_outputs: int,
        rows: TileAxis,
        columns: TileAxis,
        *,
        first_row: int = 0,
        window: slice | None = None,
        height: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.rows, self.columns, self.row = rows, columns, first_row
        self.window = window or slice(0, columns.length)
        shape = num_outputs, height or rows.size, self.window.stop - self.window.start
        self._sums = torch.zeros(shape, device=device)

    def add(self, values: Tensor, row: int, column: int) -> None:
        """Add the outputs of a tile, (K, h, w); parts of it outside the kept window are left out.

        Args:
            values: Its outputs, float32.
            row: Index of its row of tiles.
            column: Index of its column of tiles.
        """
        own_rows, own_columns = self.rows.window(row), self.columns.window(column)
        top, left = max(own_rows.start, self.row), max(own_columns.start, self.window.start)
        right = min(own_columns.stop, self.window.stop)
        inside = slice(top - own_rows.start, None), slice(left - own_columns.start, right - own_columns.start)
        down, across = tile_ramp(self.rows, row, values.device), tile_ramp(self.columns, column, values.device)
        weights = down[inside[0], None] * across[inside[1]]
        target = self._sums[
            :, top - self.row : own_rows.stop - self.row, left - self.window.start : right - self.window.start
        ]
        target += values[:, *inside] * weights

    def pop(self, stop: int) -> Tensor:
        """Return the averages of all rows before `stop`, which no further tile touches, (K, rows, columns)."""
        count = stop - self.row
        weights = sum_of_ramps(self.rows)[self.row : stop, None] * sum_of_ramps(self.columns)[self.window]
        averages = self._sums[:, :count] / weights.to(self._sums.device)
        kept = self._sums[:, count:].clone()
        self._sums[:, : kept.shape[1]] = kept
        self._sums[:, kept.shape[1] :] = 0
        self.row = stop
        return averages


@dataclass(frozen=True)
class TileOutputs:
    """What a network gives for one image.

    Attributes:
        values: Outputs of the network (K, H, W), or (K, 1, 1) if it gives one output per chip; float32.
        averaged: Whether they are averages over several tiles, in what `Tiling.activation` converts outputs to.
    """

    values: Tensor
    averaged: bool


def predict_images(forward: Forward, images: Sequence[Sample], tiling: Tiling) -> list[Tensor]:
    """Return the network's outputs for whole images.

    Args:
        forward: The network.
        images: Each with its own height and width; their labels are not used.
        tiling: How to cut them, and what to average where tiles overlap.

    Returns:
        One tensor (K, H, W) per image, float32, on the device of the image; (K, 1, 1), the mean over its tiles, if the
        network gives one output per chip.

    Raises:
        NonFiniteOutputError: The network's output is infinite or not a number.
    """
    return [outputs_of(each, tiling.activation) for each in predict_tiles(forward, images, tiling)]


def outputs_of(image: TileOutputs, activation: Activation | None) -> Tensor:
    """Return outputs on the network's own scale."""
    return activation.deactivate(image.values) if image.averaged and activation else image.values


def predict_tiles(
    forward: Forward, images: Sequence[Sample], tiling: Tiling, batches_ahead: int = 0
) -> list[TileOutputs]:
    """Return the outputs for whole images, averaged over tiles where there are several; see `predict_images`.

    Args:
        forward: The network.
        images: Each with its own height and width.
        tiling: How to cut them, and what to average where tiles overlap.
        batches_ahead: Batches that the network computes, in threads, while an earlier one is averaged.
    """

    def compute(batch: list[_Tile]) -> tuple[list[_Tile], Tensor]:
        return batch, forward(stack_samples([images[each.image].crop(each.rows, each.columns) for each in batch]))

    axes = [(tiling.axis(image.image.shape[-2]), tiling.axis(image.image.shape[-1])) for image in images]
    counts = [len(rows.starts) * len(columns.starts) for rows, columns in axes]
    sums: list[RollingSum | None] = [None] * len(images)
    values: list[Tensor | None] = [None] * len(images)
    batches = _batches(_tiles(axes), tiling.batch_size)
    for batch, computed in prefetch(compute, batches, batches_ahead) if batches_ahead else map(compute, batches):
        outputs = computed.float()
        if not torch.stack(torch.aminmax(outputs)).isfinite().all():  # an extreme is NaN if any value is
            finite = outputs.isfinite().flatten(1).all(1).tolist()
            raise NonFiniteOutputError(batch[finite.index(False)].image)
        several = any(counts[each.image] > 1 for each in batch)
        activated = tiling.activation.activate(outputs) if several and tiling.activation else outputs
        for each, output, average in zip(batch, outputs, activated, strict=True):
            rows, columns = axes[each.image]
            if counts[each.image] == 1:
                values[each.image] = output
            elif output.shape[-2:] != (rows.size, columns.size):
                total = values[each.image]
                values[each.image] = average if total is None else total + average
            else:
                total_sum = sums[each.image]
                if total_sum is None:
                    total_sum = sums[each.image] = RollingSum(
                        len(output), rows, columns, height=rows.length, device=output.device
                    )
                total_sum.add(average, each.row, each.column)
    return [
        TileOutputs(_mean(value, total, count), count > 1)
        for value, total, count in zip(values, sums, counts, strict=True)
    ]


def _mean(value: Tensor | None, total: RollingSum | None, count: int) -> Tensor:
    if total is not None:
        return total.pop(total.rows.length)
    if value is None:
        raise ValueError("an image has no tile")
    return value / count if count > 1 else value


@dataclass(frozen=True)
class _Tile:
    """One tile of one of several images: index of the image, indices of its row and column of tiles, its pixels."""

    image: int
    row: int
    column: int
    rows: slice
    columns: slice


def _tiles(axes: Sequence[tuple[TileAxis, TileAxis]]) -> Iterator[_Tile]:
    for image, (rows, columns) in enumerate(axes):
        for row in range(len(rows.starts)):
            for column in range(len(columns.starts)):
                yield _Tile(image, row, column, rows.window(row), columns.window(column))


def _batches(tiles: Iterator[_Tile], size: int) -> Iterator[list[_Tile]]:
    """Yield runs of consecutive tiles of one shape, at most `size` each."""

    def shape(tile: _Tile) -> tuple[int, int]:
        return tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start

    for _, run in groupby(tiles, key=shape):
        while batch := list(islice(run, size)):
            yield batch
