"""Scenes of two classes, a small network that tells these apart, and what reads the maps of it."""

import json

import numpy as np
import rasterio
from affine import Affine

from instageo.model.run import main
from instageo.sensors import PRITHVI_BANDS
from tests.integration.conftest import QUICK, write_chips

NO_DATA = -9999
CODES = ("B02", "B03", "B04", "B8A", "B11", "B12")
"""Codes of `PRITHVI_BANDS` in the names of files of HLS S30 and Sentinel-2."""

UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
SMALL = ["model.head=light", "model.head_channels=16", "model.embed_dim=32", "train.batch_size=4", "logger=none"]


def train_small(base, *settings, num_dates=1, epochs=4):
    """Train a network of few channels on chips of two classes, and return the folder of the run."""
    data = write_chips(base / "data", count=16, num_dates=num_dates)
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    more = [f"dataloader.temporal_dim={num_dates}", f"train.num_epochs={epochs}", "train.learning_rate=0.003"]
    assert main([*tables, *QUICK, *SMALL, *more, *settings, f"hydra.run.dir={base / 'run'}"]) == 0
    return base / "run"


def scene_values(height=70, width=90, num_dates=1, seed=0):
    """Return bands (6 T, H, W) like those of the chips: the class in blocks of 8 pixels, noise, some no-data."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (height // 8 + 1, width // 8 + 1)).repeat(8, 0).repeat(8, 1)[:height, :width]
    values = (label * 1500 + rng.integers(500, 900, (6 * num_dates, height, width))).astype(np.int16)
    values[:, : height // 8, : width // 2] = NO_DATA
    values[:, rng.random((height, width)) < 0.02] = NO_DATA
    return values


def write_raster(path, values, *, crs="EPSG:32632", transform=UTM, no_data=NO_DATA, **options):
    """Write values (L, H, W), and return the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"transform": transform} if transform else {}
    with rasterio.open(
        path, "w", count=len(values), height=values.shape[1], width=values.shape[2], dtype=values.dtype.name, crs=crs,
        nodata=no_data, **{"driver": "GTiff", **place, **options},
    ) as file:  # fmt: skip
        file.write(values)
    return str(path)


def read_layers(path):
    """Return all layers (L, H, W) of a raster."""
    with rasterio.open(path) as file:
        return file.read()


def read_map(path):
    """Return the classes and the probabilities of a map, and the areas of its classes."""
    layers = [read_layers(file)[:] for file in (path, path.with_name(f"{path.stem}_probabilities.tif"))]
    return *layers, json.loads(path.with_name(f"{path.stem}_areas.json").read_text())["classes"]


def assert_same(path, reference):
    """Assert that two maps have the same classes and probabilities."""
    (classes, probabilities, _), (expected, expected_probabilities, _) = map(read_map, (path, reference))
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(probabilities, expected_probabilities)
    assert set(np.unique(classes)) == {0, 1, 255}


def write_hls(folder, values, fmask=None, *, day="2021123", **options):
    """Write a granule of HLS S30, and return its folder as text."""
    name = f"HLS.S30.T32TPM.{day}T100031.v2.0"
    for code, band in zip(CODES, values, strict=True):
        write_raster(folder / f"{name}.{code}.tif", band[None], **options)
    if fmask is not None:
        write_raster(folder / f"{name}.Fmask.tif", fmask[None], no_data=255, **options)
    return str(folder)


def band_options(files):
    """Return the options that name single-band files in the order of `PRITHVI_BANDS`."""
    return [part for name, file in zip(PRITHVI_BANDS, files, strict=True) for part in ("--band", f"{name}={file}")]
