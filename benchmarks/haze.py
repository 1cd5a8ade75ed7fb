"""Benchmark the augmentation `haze`: train with and without it, and score on chips to which scattered light is added.

python -m benchmarks.haze DATA OUTPUT --seeds 1 2 3 --epochs 15

DATA is hls_flood, split by elevation as in `benchmarks/heads.py`. Runs that exist already are skipped.
"""

import argparse
import statistics
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.heads import FLOODS, read_labels, split_by_elevation, train
from instageo import load_model
from instageo.raster.reading import read_raster
from instageo.sensors import PRITHVI_BANDS, WAVELENGTHS_UM

LAYERS = [1, 2, 3, 4, 5, 6]
"""Layers of the chips that are the bands of Prithvi, counted from 0."""

SCATTERING = {"none": (0, 1), "750, k 4": (750, 4), "500, k 2": (500, 2), "1000, k 1": (1000, 1)}
"""Offsets in BLUE, reflectance x 10000, and exponents k of wavelength / BLUE, from a clear atmosphere to a hazy one."""


def score(folder: Path, chips: list[tuple[Path, NDArray[np.int_]]], offset: float, exponent: float) -> float:
    """Return the mIoU of a run of two classes on chips to which offset x (wavelength / BLUE)^-k is added."""
    model, counts = load_model(folder, device="cpu"), np.zeros(4, int)
    ratio = np.array([WAVELENGTHS_UM[name] for name in PRITHVI_BANDS], np.float32) / WAVELENGTHS_UM["BLUE"]
    added = (offset * ratio**-exponent)[:, None, None]
    for path, labels in chips:
        classes = model.predict(read_raster(path).values[LAYERS].astype(np.float32) + added).classes.astype(int)
        labelled = labels >= 0
        counts += np.bincount(2 * labels[labelled] + classes[labelled], minlength=4)
    confusion = counts.reshape(2, 2)
    union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
    return float((confusion.diagonal() / union).mean())


def main() -> None:
    """Train with every seed, without haze and with it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--head", default="light")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()
    split_by_elevation(arguments.data.resolve(), arguments.output / "tables")
    data = arguments.output.resolve() / "tables"
    chips = read_labels(data, first_class=0)
    rows: dict[str, list[list[float]]] = {"without": [], "with": []}
    for seed, trained in product(arguments.seeds, rows):
        folder = arguments.output / f"{trained}-{seed}"
        settings = [f"model.head={arguments.head}", f"train.num_epochs={arguments.epochs}", f"seed={seed}"]
        haze = [f"dataloader.augmentations.haze.use={str(trained == 'with').lower()}"]
        train(data, folder, [*FLOODS, *settings, *haze])
        rows[trained].append([score(folder, chips, *SCATTERING[name]) for name in SCATTERING])
    print(f"| `haze` in training | {' | '.join(SCATTERING)} |\n|---|{'---|' * len(SCATTERING)}")
    for trained, scores in rows.items():
        cells = [
            f"{statistics.mean(column):.3f} ({min(column):.3f}-{max(column):.3f})"
            for column in zip(*scores, strict=True)
        ]
        print(f"| {trained} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
