"""Chips, a scene and networks with random weights, for `gpu.py`."""

import os
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

CHIP, BLOCK, SIZE, VARIANTS = 224, 512, 10980, 64
LEVELS = 400, 600, 700, 2500, 2000, 1200
NETWORKS = {
    "v2_300": ("prithvi_eo_v2_300", "light"),
    "v1_100": ("prithvi_eo_v1_100", "light"),
    "conv_micro": ("conv_micro", None),
}
GROUND = "EPSG:32632", rasterio.Affine(10, 0, 300_000, 0, -10, 5_500_000)


def say(*words: object) -> None:
    """Print at once."""
    print(*words, flush=True)


def smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return random ground (6, size, size) whose left and right, and upper and lower borders fit."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    scale = np.maximum(frequency, 1 / size) ** 1.8
    fields = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) / scale).real for _ in LEVELS]
    return np.stack([level * (1 + 0.3 * field / field.std()) for level, field in zip(LEVELS, fields, strict=True)])


def make_data(folder: Path, num_chips: int, size: int) -> None:
    """Write chips and labels, tables of all and of some, and a scene."""
    start, rng = time.perf_counter(), np.random.default_rng(1)
    blocks = [
        np.rint(smooth(rng, BLOCK) + rng.normal(size=(6, BLOCK, BLOCK), scale=6)).clip(1).astype(np.int16)
        for _ in range(8)
    ]
    (folder / "chips").mkdir(parents=True, exist_ok=True)
    common = {"driver": "GTiff", "dtype": "int16", "crs": GROUND[0], "nodata": -9999, "compress": "deflate"}
    own = common | {"width": CHIP, "height": CHIP, "zlevel": 4}
    for number in range(min(VARIANTS, num_chips)):
        top, left = rng.integers(0, BLOCK - CHIP, 2)
        pixels = blocks[number % 8][:, top : top + CHIP, left : left + CHIP]
        transform = GROUND[1] * rasterio.Affine.translation(CHIP * number, 0)
        with rasterio.open(folder / f"chips/chip_{number}.tif", "w", count=6, transform=transform, **own) as file:
            file.write(pixels)
        with rasterio.open(folder / f"chips/label_{number}.tif", "w", count=1, transform=transform, **own) as file:
            file.write((pixels[3] > LEVELS[3]).astype(np.int16), 1)
    for number in range(VARIANTS, num_chips):
        path = folder / f"chips/chip_{number}.tif"
        if not path.exists():
            os.link(folder / f"chips/chip_{number % VARIANTS}.tif", path)
    lines = [f"chips/chip_{number}.tif,chips/label_{number % VARIANTS}.tif" for number in range(num_chips)]
    tables = {"all": lines, "train": lines[:48], "val": lines[48:VARIANTS], "few": lines[:16], "epoch": lines[:512]}
    for name, own_lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(["Input,Label", *own_lines, ""]))
    profile = common | {
        "count": 6, "width": size, "height": size, "transform": GROUND[1], "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "interleave": "pixel", "BIGTIFF": "YES", "zlevel": 4, "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    with rasterio.open(folder / "scene.tif", "w", **profile) as file:
        for row in range(0, size, BLOCK):
            for column in range(0, size, BLOCK):
                height, width = min(BLOCK, size - row), min(BLOCK, size - column)
                pixels = np.roll(blocks[(row + column) // BLOCK % 8], (row // 7, column // 5), (1, 2))
                file.write(pixels[:, :height, :width], window=Window(column, row, width, height))
    kilobytes = (folder / "chips/chip_0.tif").stat().st_size / 1e3
    scene = (folder / "scene.tif").stat().st_size / 1e6
    say(f"data: chip {kilobytes:.0f} kB, scene {scene:.0f} MB, {time.perf_counter() - start:.1f} s")


def make_models(folder: Path, names: list[str]) -> None:
    """Save networks with random weights that take the chips."""
    import torch

    import instageo

    data = instageo.ChipDataset(folder / "train.csv", statistics="auto")
    for name in names:
        if (folder / name / "instageo_best_checkpoint.ckpt").exists():
            continue
        model, head = NETWORKS[name]
        torch.manual_seed(1)
        net = instageo.build_network(model, num_classes=2, **({"head": head} if head else {}))
        instageo.save_model(net, folder / name, data=data)
