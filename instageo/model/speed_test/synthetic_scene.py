"""A scene with the values of a model's training chips, for measurements."""

from pathlib import Path

import numpy as np
from affine import Affine

from instageo.model.inference.predictor import Predictor
from instageo.model.settings.derived import band_names
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster

SMOOTH = 16
"""Side of areas of one value, pixels; noise is added to them, so that the file is compressed about as images are."""


def write_synthetic_scene(predictor: Predictor, path: Path, side: int, resolution_m: float) -> None:
    """Write a square GeoTIFF with the layers of the training chips, compressed by deflate.

    Args:
        predictor: Says which layers there are, and how their values are distributed.
        path: Where it is written.
        side: Pixels.
        resolution_m: Side of a pixel, m.
    """
    data, rng = predictor.settings.dataloader, np.random.default_rng(0)
    num_layers = len(band_names(predictor.settings)) * data.temporal_dim
    mean, std = (np.resize(np.array(values, np.float64), num_layers)[:, None, None] for values in (data.mean, data.std))
    if data.radar_unit is None:  # stored values
        mean, std = (mean - data.constant_offset) / data.constant_multiplier, std / data.constant_multiplier
    blocks = rng.normal(size=(num_layers, -(-side // SMOOTH), -(-side // SMOOTH))).repeat(SMOOTH, 1).repeat(SMOOTH, 2)
    values = mean + std * (0.9 * blocks[:, :side, :side] + 0.1 * rng.normal(size=(num_layers, side, side)))
    integers = data.radar_unit is None and float(std.min()) > 10
    stored = values.clip(1, 30_000).round().astype(np.int16) if integers else values.astype(np.float32)
    write_raster(
        path, stored, Grid("EPSG:32632", Affine(resolution_m, 0, 500_000, 0, -resolution_m, 5_000_000), side, side)
    )
