"""Benchmark heads: train small networks with each of them from random weights, and count the dots in their maps.

python benchmarks/heads.py floods DATA OUTPUT --heads light light_v0 upscaling --seeds 1 2 3

Data sets: `floods`, and `regions`, the same chips split by elevation (DATA is hls_flood); `crops` (hls_multitemporal).
Runs that exist already are skipped. Prints a Markdown table with one line per run, and the means of each head.

A lone pixel is one whose eight neighbours are all of other classes. Pixels on the border of a chip, and pixels that are
not labelled or have a neighbour that is not, do not count; neither in labels nor in maps.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from instageo import load_model
from instageo.model.tasks.predictions import ClassPrediction
from instageo.raster.reading import read_raster

COMMON = [
    "train_filepath=train.csv", "valid_filepath=val.csv", "model.load_pretrained_weights=false", "logger=none",
    "dataloader.cache=memory", "train.learning_rate=0.001", "train.gradient_clip_val=1",
]  # fmt: skip

FLOODS = [
    "model.model_name=prithvi_eo_tiny", "dataloader.bands=[1,2,3,4,5,6]",
    "dataloader.mean=[505.3,838.1,1011.4,2074.3,2015.3,1407.1]",
    "dataloader.std=[336.1,428.7,609.3,1050.9,1244.1,1008.4]",
    *(f"dataloader.augmentations.{name}.use=true" for name in ("rotate", "brightness", "noise")),
]  # fmt: skip

CROPS = [
    "model.model_name=prithvi_eo_v2_tiny_tl", "model.num_classes=8", "dataloader.temporal_dim=3",
    "dataloader.mean=auto", "dataloader.reduce_to_zero=true",
]  # fmt: skip

SETTINGS = {"floods": FLOODS, "regions": FLOODS, "crops": CROPS}

ELEVATION_LAYER, REGION_M = 9, (110.0, 135.0)
"""Layer of flood chips with the elevation of the Copernicus DEM, m, and range of its mean in the region left out.

These are the plains of one region, about half of the chips and most of the water; the next chip is 7 m away from it.
"""


@dataclass(frozen=True)
class Result:
    """What one run is compared by."""

    miou: float
    accuracy: float
    lone_pixels: int
    border_ratio: float
    seconds: float

    def cells(self) -> str:
        """Return the cells of its line in the table."""
        return (
            f"{self.miou:.4f} | {self.accuracy:.3f} | {self.lone_pixels} | {self.border_ratio:.2f} | {self.seconds:.1f}"
        )


def count_lone_pixels(classes: NDArray[np.int_], labelled: NDArray[np.bool_]) -> int:
    """Count the pixels (H, W) whose eight neighbours have other classes, where all nine are labelled."""
    inner = slice(1, -1)
    lone = labelled[inner, inner].copy()
    for row, column in product(range(3), range(3)):
        if (row, column) != (1, 1):
            there = (
                slice(row, classes.shape[0] - 2 + row),
                slice(column, classes.shape[1] - 2 + column),
            )
            lone &= (classes[there] != classes[inner, inner]) & labelled[there]
    return int(lone.sum())


def count_borders(classes: NDArray[np.int_]) -> NDArray[np.int_]:
    """Count neighbours of different classes within squares of 2 x 2 pixels, and between squares; shape (2,).

    Without a pattern of squares both are about the same; checkerboards have more within, maps of half the resolution
    more between.
    """
    counts = np.zeros(2, int)
    for image in (classes, classes.T):
        changes = (image[:, 1:] != image[:, :-1]).sum(0)
        counts += changes[::2].sum(), changes[1::2].sum()
    return counts


def read_rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def split_by_elevation(data: Path, folder: Path) -> None:
    """Write train.csv, chips outside the region, and val.csv, chips inside, of all flood chips; paths are absolute."""
    rows = [row for name in ("train.csv", "val.csv") for row in read_rows(data / name)]
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[bool, list[str]] = {True: [], False: []}
    for row in rows:
        elevation = read_raster(data / row["Input"]).values[ELEVATION_LAYER].mean()
        inside = REGION_M[0] <= elevation <= REGION_M[1]
        chosen[inside].append(f"{data / row['Input']},{data / row['Label']}\n")
    for name, inside in (("train.csv", False), ("val.csv", True)):
        (folder / name).write_text("Input,Label\n" + "".join(chosen[inside]), encoding="utf-8")


def train(data: Path, folder: Path, settings: list[str]) -> None:
    """Train one network, unless its run exists."""
    if not (folder / "metrics.json").is_file():
        command = [sys.executable, "-m", "instageo.model.run", f"root_dir={data}", *COMMON, *settings]
        subprocess.run([*command, f"hydra.run.dir={folder}"], check=True)


def read_labels(data: Path, first_class: int) -> list[tuple[Path, NDArray[np.int_]]]:
    """Return each validation chip with its labels (H, W) from 0; those that are not labelled are negative."""
    return [
        (data / row["Input"], read_raster(data / row["Label"]).values[0].astype(int) - first_class)
        for row in read_rows(data / "val.csv")
    ]


def examine(folder: Path, chips: list[tuple[Path, NDArray[np.int_]]]) -> Result:
    """Return the scores of a run's best epoch, with counts over its maps of the validation chips."""
    model, lone, borders = load_model(folder, device="cpu"), 0, np.zeros(2, int)
    for chip, labels in chips:
        classes = cast(ClassPrediction, model.predict(chip)).classes.astype(int)
        lone, borders = lone + count_lone_pixels(classes, labels >= 0), borders + count_borders(classes)
    scores = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    seconds = [float(row["seconds"]) for row in read_rows(folder / "history.csv")]
    ratio = float(borders[0] / borders[1])
    return Result(scores["mIoU"], scores["accuracy"], lone, ratio, statistics.median(seconds))


def main() -> None:
    """Train every head with every seed, alternating between heads, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=SETTINGS)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--heads", nargs="+", default=["light", "light_v2", "light_v0"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    data, results = arguments.data.resolve(), {}
    if arguments.dataset == "regions":
        split_by_elevation(data, arguments.output / "tables")
        data = arguments.output.resolve() / "tables"
    chips = read_labels(data, first_class=int(arguments.dataset == "crops"))
    lone = sum(count_lone_pixels(labels, labels >= 0) for _, labels in chips)
    within, between = np.sum([count_borders(labels) for _, labels in chips], axis=0)
    print("| head | seed | mIoU | accuracy | lone pixels | borders within / between squares | s an epoch |")
    print("|---|---|---|---|---|---|---|")
    print(f"| labels | | | | {lone} | {within / between:.2f} | |", flush=True)
    for seed, head in product(arguments.seeds, arguments.heads):
        folder = arguments.output / f"{arguments.dataset}-{head}-{seed}"
        settings = [f"model.head={head}", f"train.num_epochs={arguments.epochs}", f"seed={seed}"]
        train(data, folder, [*SETTINGS[arguments.dataset], *settings])
        results[head, seed] = examine(folder, chips)
        print(f"| {head} | {seed} | {results[head, seed].cells()} |", flush=True)
    for head in arguments.heads:
        scores = [results[head, seed].miou for seed in arguments.seeds]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        print(f"{head}: mIoU {statistics.mean(scores):.4f} ± {spread:.4f}")


if __name__ == "__main__":
    main()
