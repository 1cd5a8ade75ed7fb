"""A scene with the values of a model's training chips, for measurements."""

from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from instageo.model.inference.predictor import Predictor
from instageo.model.settings.data import DataSettings
from instageo.model.settings.derived import band_names
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.runtime.memory import require_memory

SMOOTH = 16
"""Side of areas of one value, pixels; noise is added to them, so that the file is compressed about as images are."""

ARRAYS = 5
"""Arrays of 8 bytes a pixel that are held while a scene is made."""


def write_synthetic_scene(predictor: Predictor, path: Path, side: int, resolution_m: float) -> None:
    """Write a square GeoTIFF with the layers of the training chips, read or not, compressed by deflate.

    Args:
        predictor: Says which layers there are, and how their values are distributed.
        path: Where it is written.
        side: Pixels.
        resolution_m: Side of a pixel, m.

    Raises:
        OutOfMemoryError: The scene is too large for the memory that is free.
    """
    data, rng = predictor.settings.dataloader, np.random.default_rng(0)
    names = band_names(predictor.settings) * data.temporal_dim
    channels = _channels(data, len(names))
    num_layers = len(channels)
    needed = 8 * ARRAYS * num_layers * side * side
    require_memory(needed, f"a scene of {side} x {side} pixels", "choose a smaller --tile, or name a file with --scene")
    statistics = (np.resize(np.array(values, np.float64), len(names)) for values in (data.mean, data.std))
    mean, std = (values[channels, None, None] for values in statistics)
    if data.radar_unit is None:  # stored values
        mean, std = (mean - data.constant_offset) / data.constant_multiplier, std / data.constant_multiplier
    blocks = rng.normal(size=(num_layers, -(-side // SMOOTH), -(-side // SMOOTH))).repeat(SMOOTH, 1).repeat(SMOOTH, 2)
    values = mean + std * (0.9 * blocks[:, :side, :side] + 0.1 * rng.normal(size=(num_layers, side, side)))
    integers = data.radar_unit is None and float(std.min()) > 10
    stored = values.clip(1, 30_000).round().astype(np.int16) if integers else values.astype(np.float32)
    grid = Grid("EPSG:32632", Affine(resolution_m, 0, 500_000, 0, -resolution_m, 5_000_000), side, side)
    write_raster(path, stored, grid, bands=names if data.bands_by_name else ())


def _channels(data: DataSettings, count: int) -> NDArray[np.intp]:
    """Return for each layer of a file the channel, all bands of the first date first, whose values it has.

    Layers that the model does not read have those of any channel, so that they take as long to read.

    Args:
        data: Say which layers are read, and how many there are.
        count: Number of channels.
    """
    layers = np.arange(count) if data.bands is None or data.bands_by_name else np.array(data.bands)
    num_layers = max(data.num_layers or 0, int(layers.max()) + 1)
    channels = np.arange(num_layers) % count
    channels[layers] = np.arange(count)
    return channels
