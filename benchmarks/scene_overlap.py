"""Score and seams of maps by the overlap of tiles, on a mosaic of real chips.

python benchmarks/scene_overlap.py DATA OUTPUT [--seeds 1 2] [--epochs 10] [--tile 112] [--places 16]

DATA is a folder with train.csv and val.csv of flood chips, 128 x 128 pixels. `prithvi_eo_tiny` is trained at the size
of tiles from random weights, unless its run is in OUTPUT already. The validation chips form a square mosaic, from which
two scenes are cut so that borders of tiles lie elsewhere than those of chips.

The seam is the mean gradient of probability across lines where tiles begin or end, divided by that elsewhere, and by
the same ratio in a seamless reference, the mean over 16 grids shifted by quarters of a tile. In the band it is that of
all pixels where tiles overlap. Pixels within 3 of a chip's border do not count in either.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import cast

import numpy as np
import torch
from heads import FLOODS, read_rows, train
from numpy.typing import NDArray

from instageo import load_model
from instageo.model.inference.predictor import Predictor
from instageo.model.inference.tiling import compute_tile_starts, default_overlap
from instageo.model.tasks.predictions import ClassPrediction
from instageo.raster.reading import read_raster

CHIP, MARGIN = 128, 3
BANDS = slice(1, 7)
OFFSETS = (37, 53), (91, 19)
"""Rows and columns of the mosaic that are left out above and on the left, so that grids of tiles and chips differ."""

Array = NDArray[np.float32]


def build_mosaic(data: Path) -> tuple[Array, NDArray[np.int_]]:
    """Return the image (C, H, W) and labels (H, W) of as many validation chips as form a square."""
    rows = read_rows(data / "val.csv")
    side = int(len(rows) ** 0.5)
    image = np.zeros((6, side * CHIP, side * CHIP), np.float32)
    labels = np.zeros(image.shape[1:], int)
    for number, row in enumerate(rows[: side**2]):
        place = tuple(slice(index * CHIP, (index + 1) * CHIP) for index in divmod(number, side))
        image[:, *place] = read_raster(data / row["Input"]).values[BANDS]
        labels[place] = read_raster(data / row["Label"]).values[0]
    return image, labels


def predict(model: Predictor, image: Array, overlap: int) -> Array:
    """Return the probability of the second class, (H, W)."""
    test = replace(model.settings.test, overlap=overlap)
    changed = replace(model, settings=replace(model.settings, test=test))
    return cast(ClassPrediction, changed.predict(image)).probabilities[1]


def predict_seamless(model: Predictor, image: Array, tile: int) -> Array:
    """Return the mean over grids of tiles without overlap, shifted by quarters of a tile."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (tile, tile), (tile, tile)), mode="reflect")
    total = np.zeros((height, width), np.float32)
    for down, right in product(range(0, tile, tile // 4), repeat=2):
        part = predict(model, padded[:, down : down + height + tile, right : right + width + tile], 0)
        total += part[tile - down : tile - down + height, tile - right : tile - right + width]
    return total / 16


def find_borders(length: int, tile: int, overlap: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which steps between pixels (length - 1) cross a border of a tile, and which lie where tiles overlap."""
    line, band = np.zeros(length - 1, bool), np.zeros(length - 1, bool)
    starts = compute_tile_starts(length, tile, tile - overlap)
    for previous, start in pairwise(starts):
        line[[start - 1, previous + tile - 1]] = True
        band[start - 1 : previous + tile] = True
    return line, band


def find_chip_borders(length: int, offset: int) -> NDArray[np.bool_]:
    """Return which steps between pixels (length - 1) are too near to the border of a chip."""
    distance = (np.arange(length - 1) + offset + 1 + CHIP // 2) % CHIP - CHIP // 2
    return abs(distance) <= MARGIN


def gradient_ratios(probability: Array, tile: int, overlap: int, offset: tuple[int, int]) -> tuple[float, float]:
    """Return the mean gradient on the lines, and in the bands, each divided by that elsewhere."""
    sums: dict[str, list[float]] = {name: [0.0, 0.0] for name in ("line", "off line", "band", "off band")}
    for gradient, shift in ((np.diff(probability, axis=1), offset[1]), (np.diff(probability.T, axis=1), offset[0])):
        length = gradient.shape[1] + 1
        line, band = find_borders(length, tile, overlap)
        counted = ~find_chip_borders(length, shift)
        for name, where in (("line", line), ("off line", ~line), ("band", band), ("off band", ~band)):
            values = abs(gradient[:, where & counted])
            sums[name][0] += float(values.sum(dtype=float))
            sums[name][1] += values.size
    means = {name: total / count if count else float("nan") for name, (total, count) in sums.items()}
    return means["line"] / means["off line"], means["band"] / means["off band"]


def compute_miou(classes: NDArray[np.bool_], labels: NDArray[np.int_]) -> float:
    """Return the mean over both classes of intersection divided by union."""
    scores = [
        ((classes == value) & (labels == value)).sum() / ((classes == value) | (labels == value)).sum()
        for value in (0, 1)
    ]
    return float(np.mean(scores))


def measure(model: Predictor, image: Array, labels: NDArray[np.int_], tile: int) -> Iterator[str]:
    """Yield rows of the table: the means over both grids."""
    names = {
        0: "0",
        tile // 16: "1/16",
        default_overlap(tile): "default",
        tile // 8: "1/8",
        tile // 4: "1/4",
        tile // 2: "1/2",
    }
    parts = [(offset, image[:, offset[0] :, offset[1] :], labels[offset[0] :, offset[1] :]) for offset in OFFSETS]
    seamless = [predict_seamless(model, part, tile) for _, part, _ in parts]
    for overlap, name in names.items():
        scores, seams, tiles = [], [], 0
        for (offset, part, truth), reference in zip(parts, seamless, strict=True):
            probability = predict(model, part, overlap)
            scores.append(compute_miou(probability > 0.5, truth))
            own = gradient_ratios(probability, tile, overlap, offset)
            usual = gradient_ratios(reference, tile, overlap, offset)
            seams.append([each / other for each, other in zip(own, usual, strict=True)])
            tiles += int(np.prod([len(compute_tile_starts(side, tile, tile - overlap)) for side in truth.shape]))
        line, band = np.mean(seams, axis=0)
        yield f"{name} ({overlap} px) | {np.mean(scores):.4f} | {line:.2f} | {band:.2f} | {tiles}"
    score = np.mean([compute_miou(each > 0.5, truth) for each, (_, _, truth) in zip(seamless, parts, strict=True)])
    yield f"reference | {score:.4f} | | | "


def compare_scores(model: Predictor, image: Array, labels: NDArray[np.int_], tile: int, places: int) -> Iterator[str]:
    """Yield the difference in mIoU of each overlap from an eighth of a tile, over scenes at random places."""
    offsets = np.random.default_rng(0).integers(0, CHIP, (places, 2))
    scores = {
        overlap: np.array([
            compute_miou(predict(model, image[:, row:, column:], overlap) > 0.5, labels[row:, column:])
            for row, column in offsets
        ])
        for overlap in sorted({0, 8, 12, 16, 20, 24, tile // 8, tile // 4, tile // 2})
    }  # fmt: skip
    for overlap, values in scores.items():
        differences = values - scores[tile // 8]
        error = differences.std() / places**0.5
        yield f"{overlap} px | {values.mean():.4f} | {differences.mean():.4f} | {error:.4f}"


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tile", type=int, default=112)
    parser.add_argument("--places", type=int, help="compare scores alone, at so many places of the mosaic")
    arguments = parser.parse_args()
    image, labels = build_mosaic(arguments.data)
    print(f"PyTorch {torch.__version__}; mosaic of {image.shape[1]} x {image.shape[2]} pixels\n")
    columns = "difference | error" if arguments.places else "seam on the line | in the band | tiles"
    print(f"| seed | overlap | mIoU | {columns} |\n|---|---|---{'|---' * (2 if arguments.places else 3)}|")
    for seed in arguments.seeds:
        folder = arguments.output / f"seed{seed}"
        own = [f"dataloader.img_size={arguments.tile}", f"train.num_epochs={arguments.epochs}", f"seed={seed}"]
        train(arguments.data, folder, [*FLOODS, *own])
        model = load_model(folder, device="cpu")
        tile, places = arguments.tile, arguments.places
        rows = compare_scores(model, image, labels, tile, places) if places else measure(model, image, labels, tile)
        for row in rows:
            print(f"| {seed} | {row} |", flush=True)


if __name__ == "__main__":
    main()
