"""Read a few tiles of a scene, to try backends with or to calibrate int8."""

from collections.abc import Sequence

import torch

from instageo.model.chips.sample import Sample
from instageo.model.inference.predictor import Predictor
from instageo.model.scenes.tiles import SceneInput, TileRows

ROW_SHARES = (0.5, 0.25, 0.75)
"""Rows of tiles that are read one after the other until there are enough tiles, as shares of the scene's height."""


def scene_tile_size(predictor: Predictor, source: SceneInput) -> tuple[int, int]:
    """Return height and width of the tiles of a scene."""
    grid, tiling = source.scene.grid, predictor.tiling
    return tiling.axis(grid.height).size, tiling.axis(grid.width).size


def count_scene_tiles(predictor: Predictor, source: SceneInput) -> int:
    """Return how many tiles a scene has."""
    grid, tiling = source.scene.grid, predictor.tiling
    return len(tiling.axis(grid.height).starts) * len(tiling.axis(grid.width).starts)


def read_trial_tiles(predictor: Predictor, source: SceneInput, count: int) -> list[Sample]:
    """Return at most that number of tiles with valid pixels, from few rows of tiles so that little is read.

    Raises:
        RasterError: The scene cannot be read.
    """
    grid, tiling = source.scene.grid, predictor.tiling
    rows, columns = tiling.axis(grid.height), tiling.axis(grid.width)
    middle = max((len(columns.starts) - 2 * count) // 2, 0)
    windows = [columns.window(index) for index in range(len(columns.starts))][middle : middle + 2 * count]
    samples: list[Sample] = []
    for row in dict.fromkeys(int(share * (len(rows.starts) - 1)) for share in ROW_SHARES):
        samples += _read_row(predictor, source, rows.window(row), windows)
        if len(samples) >= count:
            break
    return samples[:count]


def _read_row(predictor: Predictor, source: SceneInput, rows: slice, columns: Sequence[slice]) -> list[Sample]:
    with TileRows(source, slice(columns[0].start, columns[-1].stop), rows) as tiles:
        tiles.read_until(rows.stop)
        observed = [
            window for window in columns if predictor.observed(torch.from_numpy(tiles.valid(rows, window))).any()
        ]
        batch = tiles.batch(rows, observed) if observed else None
        return [] if batch is None else [_chip(batch, index) for index in range(len(observed))]


def _chip(batch: Sample, index: int) -> Sample:
    return batch.map(lambda tensor: tensor[index])
