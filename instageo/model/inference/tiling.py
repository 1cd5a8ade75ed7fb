"""Run a network on images of any size: overlapping tiles, blended; each pixel gets one result, without randomness."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor

from instageo.errors import DataError
from instageo.model.chips.sample import Sample, stack_samples

Forward = Callable[[Sample], Tensor]
"""From a batch of decoded chips, image (B, C, T, h, w), to logits (B, K, h, w), or image-level ones (B, K, 1, 1)."""

Tile = tuple[int, slice, slice]
"""Index of the image in its list, rows, columns."""


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


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles.

    Attributes:
        tile: Side of a tile, pixels. A smaller image is one tile of its own size.
        stride: Step between tiles, 1..tile.
        batch_size: Tiles per forward pass.
    """

    tile: int
    stride: int
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.tile:
            raise ValueError(f"stride {self.stride} is not in 1..{self.tile}, so tiles would leave gaps")


def predict_images(forward: Forward, images: Sequence[Sample], tiling: Tiling) -> list[Tensor]:
    """Return the logits of whole images.

    Args:
        forward: The network.
        images: Each with its own height and width; their labels are not used.
        tiling: How to cut them.

    Returns:
        One tensor (K, H, W) per image, float32, on the device of the image; (K, 1, 1), the mean over its tiles, if the
        network gives one output per chip.

    Raises:
        NonFiniteOutputError: The network's output is infinite or not a number.
    """
    sums: list[tuple[Tensor, Tensor] | None] = [None] * len(images)
    for batch in _batches(_tiles(images, tiling.tile, tiling.stride), tiling.batch_size):
        logits = forward(stack_samples([images[index].crop(rows, columns) for index, rows, columns in batch])).float()
        if not torch.stack(torch.aminmax(logits)).isfinite().all():  # an extreme is NaN if any value is
            finite = logits.isfinite().flatten(1).all(1).tolist()
            raise NonFiniteOutputError(batch[finite.index(False)][0])
        weights = compute_blend_weights(*logits.shape[-2:]).to(logits.device)
        for (index, rows, columns), weighted in zip(batch, logits * weights, strict=True):
            per_pixel = weighted.shape[-2:] == (rows.stop - rows.start, columns.stop - columns.start)
            window = (rows, columns) if per_pixel else (slice(None), slice(None))
            totals = sums[index]
            if totals is None:
                sides = images[index].image.shape[-2:] if per_pixel else (1, 1)
                totals = sums[index] = weighted.new_zeros(len(weighted), *sides), weights.new_zeros(sides)
            totals[0][:, *window] += weighted
            totals[1][*window] += weights
    return [totals[0].div_(totals[1]) for totals in sums if totals is not None]


def _tiles(images: Sequence[Sample], tile: int, stride: int) -> Iterator[Tile]:
    for index, sample in enumerate(images):
        height, width = sample.image.shape[-2:]
        for row in compute_tile_starts(height, tile, stride):
            for column in compute_tile_starts(width, tile, stride):
                yield index, slice(row, min(row + tile, height)), slice(column, min(column + tile, width))


def _batches(tiles: Iterator[Tile], size: int) -> Iterator[list[Tile]]:
    """Yield runs of consecutive tiles of one shape, at most `size` each."""
    for _, run in groupby(tiles, key=lambda tile: (tile[1].stop - tile[1].start, tile[2].stop - tile[2].start)):
        while batch := list(islice(run, size)):
            yield batch


def compute_tile_starts(length: int, tile: int, stride: int) -> list[int]:
    """Return the first pixels of tiles that cover 0..length - 1; the last tile ends at the border."""
    last = max(length - tile, 0)
    return [*range(0, last, stride), last]


def compute_blend_weights(height: int, width: int) -> Tensor:
    """Return the weight of each pixel of a tile, (height, width): highest in the middle, linear to the border."""
    rows, columns = (1 - (2 * torch.arange(side) + 1 - side).abs() / (side + 1) for side in (height, width))
    return rows[:, None] * columns
