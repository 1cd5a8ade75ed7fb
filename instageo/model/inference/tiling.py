"""Whole images through a network of fixed size: overlapping tiles, blended; every pixel exactly once, no randomness."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor

from instageo.errors import DataError
from instageo.model.chips.sample import Sample, stack_samples

Forward = Callable[[Sample], Tensor]
"""From a batch of decoded chips, image (B, C, T, h, w), to logits (B, K, h, w), or (B, K, 1, 1) of each as a whole."""


@dataclass(frozen=True)
class Tiling:
    """How images are cut.

    Attributes:
        tile: Side of a tile, pixels. Smaller images are one tile of their own size.
        stride: Step between tiles, 1..tile.
        batch_size: Tiles per pass through the network.
    """

    tile: int
    stride: int
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.tile:
            raise ValueError(f"stride {self.stride} is not in 1..{self.tile}, so that tiles would leave gaps")


Tile = tuple[int, slice, slice]
"""Position of the image in its list, rows, columns."""


def starts(length: int, tile: int, stride: int) -> list[int]:
    """First pixels of tiles that cover 0..length - 1; the last one ends at the border."""
    last = max(length - tile, 0)
    return [*range(0, last, stride), last]


def window(height: int, width: int) -> Tensor:
    """Weights of a tile's pixels, shape (height, width): highest in the middle, falling linearly to the border."""
    rows, columns = (1 - (2 * torch.arange(side) + 1 - side).abs() / (side + 1) for side in (height, width))
    return rows[:, None] * columns


def predict_images(forward: Forward, images: Sequence[Sample], tiling: Tiling) -> list[Tensor]:
    """Logits of whole images.

    Args:
        forward: The network.
        images: Each with its own height and width; their labels are not looked at.
        tiling: How to cut them.

    Returns:
        One tensor (K, H, W) per image, float32, on the device of the image; (K, 1, 1), the mean over its tiles, if the
        network gives one output per chip.

    Raises:
        DataError: The network's output is infinite or not a number.
    """
    sums: list[tuple[Tensor, Tensor] | None] = [None] * len(images)
    for batch in _batches(_tiles(images, tiling.tile, tiling.stride), tiling.batch_size):
        logits = forward(stack_samples([images[which].window(rows, columns) for which, rows, columns in batch])).float()
        if not torch.stack(torch.aminmax(logits)).isfinite().all():  # an extreme is NaN if any value is
            raise DataError(
                "the network's output is not a number: training has diverged (lower train.learning_rate, set "
                "train.gradient_clip_val=1), or pixel values are extreme (compare mode=stats with dataloader.mean and "
                "dataloader.std)"
            )
        weight = window(*logits.shape[-2:]).to(logits.device)
        for (which, rows, columns), part in zip(batch, logits * weight, strict=True):
            of_pixels = part.shape[-2:] == (rows.stop - rows.start, columns.stop - columns.start)
            where = (rows, columns) if of_pixels else (slice(None), slice(None))
            found = sums[which]
            if found is None:
                sides = images[which].image.shape[-2:] if of_pixels else (1, 1)
                found = sums[which] = part.new_zeros(len(part), *sides), weight.new_zeros(sides)
            found[0][:, *where] += part
            found[1][*where] += weight
    return [found[0].div_(found[1]) for found in sums if found is not None]


def _tiles(images: Sequence[Sample], tile: int, stride: int) -> Iterator[Tile]:
    for which, sample in enumerate(images):
        height, width = sample.image.shape[-2:]
        for row in starts(height, tile, stride):
            for column in starts(width, tile, stride):
                yield which, slice(row, min(row + tile, height)), slice(column, min(column + tile, width))


def _batches(tiles: Iterator[Tile], size: int) -> Iterator[list[Tile]]:
    """Runs of tiles of one shape, at most `size` each."""
    for _, run in groupby(tiles, key=lambda tile: (tile[1].stop - tile[1].start, tile[2].stop - tile[2].start)):
        while batch := list(islice(run, size)):
            yield batch
