"""Scenes and a network with random weights for benchmarks of maps."""

import math
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

CHIP, BLOCK, SPARSE_FROM = 224, 512, 30_000
LEVELS = 400, 600, 700, 2500, 2000, 1200


def make_scene(folder: Path, size: int, compress: str = "deflate") -> Path:
    """Write a scene, unless it is there; `compress` is a method of GDAL, or `none`."""
    path = folder / (f"scene_{size}.tif" if compress == "deflate" else f"scene_{size}_{compress}.tif")
    if path.exists():
        return path
    rng, blocks = np.random.default_rng(1), math.ceil(size / BLOCK)
    ground = _smooth(rng, CHIP)
    repeats = math.ceil(BLOCK / CHIP) + 1
    ground = np.tile(ground, (1, repeats, repeats))[:, :BLOCK, :BLOCK]
    sparse = size >= SPARSE_FROM
    valid = rng.random((blocks, blocks)) < 0.01
    valid[:, blocks // 2] = True
    partial = path.with_name(f"partial_{path.name}")
    profile = {
        "driver": "GTiff", "dtype": "int16", "count": 6, "width": size, "height": size, "crs": "EPSG:32632",
        "transform": rasterio.Affine(10, 0, 300_000, 0, -10, 5_500_000), "nodata": -9999, "tiled": True,
        "blockxsize": BLOCK, "blockysize": BLOCK, "compress": compress, "interleave": "pixel", "BIGTIFF": "YES",
        "SPARSE_OK": True,
    }  # fmt: skip
    if compress == "deflate":
        profile["zlevel"] = 4
    with rasterio.open(partial, "w", **profile) as file:
        for row, column in np.ndindex(blocks, blocks):
            if valid[row, column] or not sparse:
                height, width = (min(BLOCK, size - BLOCK * index) for index in (row, column))
                noise = rng.normal(size=ground.shape, scale=6).astype(np.float32)
                values = np.rint(ground + noise).clip(1).astype(np.int16)[:, :height, :width]
                file.write(values, window=Window(column * BLOCK, row * BLOCK, width, height))
    partial.rename(path)
    return path


def _smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    fields = [
        np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) / np.maximum(frequency, 1 / size) ** 1.8).real
        for _ in LEVELS
    ]
    return np.stack([level * (1 + 0.3 * field / field.std()) for level, field in zip(LEVELS, fields, strict=True)])


def make_model(folder: Path, scene: Path, network: str = "prithvi_eo_tiny") -> Path:
    """Save a network with random weights and the default head, unless it is there; return its checkpoint."""
    import instageo

    name = "model" if network == "prithvi_eo_tiny" else f"model_{network}"
    path = folder / name / "instageo_best_checkpoint.ckpt"
    if not path.exists():
        with rasterio.open(scene) as file:
            chip = file.read(window=Window(0, 0, CHIP, CHIP))
            profile = file.profile | {"width": CHIP, "height": CHIP, "tiled": False}
        profile.pop("blockysize"), profile.pop("blockxsize")
        with rasterio.open(folder / "chip.tif", "w", **profile) as file:
            file.write(chip)
        with rasterio.open(folder / "label.tif", "w", **profile | {"count": 1}) as file:
            file.write((chip[3] > LEVELS[3]).astype(np.int16), 1)
        (folder / "chips.csv").write_text("Input,Label\nchip.tif,label.tif\n")
        torch.manual_seed(1)
        data = instageo.ChipDataset(folder / "chips.csv", statistics="auto")
        instageo.save_model(instageo.build_network(network, num_classes=2), path.parent, data=data)
    return path
