"""Benchmark convolutional students on flood chips: alone, taught, and taught with chips that have no labels.

python benchmarks/students.py DATA OUTPUT --seeds 1 2 3

DATA is the folder that holds hls_flood and hls_multitemporal. Runs that exist already are skipped. Prints a Markdown
table with one line per kind of run: the mIoU of the best epoch on the validation chips, mean and standard deviation
over the seeds. All students learn from one teacher, `--teacher-seed`.

Chips without labels: one window of each training chip, 96 pixels enlarged to 128, and each date of the training stacks
of hls_multitemporal (farmland). No pixel of the validation chips is among them.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from instageo.model.networks.cost import compute_network_cost

COMMON = [
    "train_filepath=train.csv", "valid_filepath=val.csv", "model.load_pretrained_weights=false", "logger=none",
    "dataloader.cache=memory", "train.gradient_clip_val=1", "dataloader.bands=[1,2,3,4,5,6]",
    "dataloader.mean=[505.3,838.1,1011.4,2074.3,2015.3,1407.1]",
    "dataloader.std=[336.1,428.7,609.3,1050.9,1244.1,1008.4]",
    *(f"dataloader.augmentations.{name}.use=true" for name in ("rotate", "brightness", "noise")),
]  # fmt: skip

TEACHER = ["model.model_name=prithvi_eo_tiny", "model.head=light", "train.learning_rate=0.001"]

STUDENT = ["train.learning_rate=0.003"]

TAUGHT = ["train.distillation=true", "distill.alpha=0.8", "distill.temperature=2"]

WINDOW, SIDE, NUM_LAYERS, NUM_BANDS = 96, 128, 12, 6
"""Sides of windows and chips, pixels; layers of a flood chip, and the bands that are used, from its second layer."""


def read_rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_unlabelled(data: Path, folder: Path) -> Path:
    """Write the chips without labels in the layout of the flood chips, and return their table."""
    table = folder / "unlabelled.csv"
    if table.is_file():
        return table
    folder.mkdir(parents=True, exist_ok=True)
    rng, paths = np.random.default_rng(0), []
    for row in read_rows(data / "hls_flood" / "train.csv"):
        with rasterio.open(data / "hls_flood" / row["Input"]) as file:
            values = file.read(list(range(2, 2 + NUM_BANDS)))
        top, left = rng.integers(0, SIDE - WINDOW + 1, 2)
        window = torch.from_numpy(values[:, top : top + WINDOW, left : left + WINDOW].astype(np.float32))
        enlarged = F.interpolate(window[None], (SIDE, SIDE), mode="bilinear")[0].round().numpy().astype(np.int16)
        paths.append(write_chip(folder / f"window_{len(paths):03}.tif", enlarged))
    for row in read_rows(data / "hls_multitemporal" / "train.csv"):
        with rasterio.open(data / "hls_multitemporal" / row["Input"]) as file:
            dates = file.read().reshape(-1, NUM_BANDS, SIDE, SIDE)
        paths += [write_chip(folder / f"date_{len(paths) + number:03}.tif", date) for number, date in enumerate(dates)]
    table.write_text("Input\n" + "".join(f"{path}\n" for path in paths), encoding="utf-8")
    return table


def write_chip(path: Path, bands: NDArray[np.int16]) -> Path:
    """Write the bands (6, H, W) as the layers 2 to 7 of a chip; the other layers are 0."""
    layers = np.zeros((NUM_LAYERS, *bands.shape[1:]), np.int16)
    layers[1 : 1 + NUM_BANDS] = bands
    shape = {"count": NUM_LAYERS, "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype="int16", compress="deflate", **shape) as file:
        file.write(layers)
    return path


def train(data: Path, folder: Path, settings: list[str]) -> float:
    """Train one network, unless its run exists, and return the mIoU of its best epoch."""
    if not (folder / "metrics.json").is_file():
        command = [sys.executable, "-m", "instageo.model.run", f"root_dir={data / 'hls_flood'}", *COMMON, *settings]
        subprocess.run([*command, f"hydra.run.dir={folder}"], check=True)
    score: float = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["mIoU"]
    return score


def describe(model_name: str, head: str | None) -> str:
    """Return parameters and arithmetic of a network for a chip of 224 pixels, as cells of the table."""
    cost = compute_network_cost(model_name, head=head)
    return f"{cost.parameters / 1e6:.2f} | {cost.flops / 1e9:.2f}"


def main() -> None:
    """Train teacher and students with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--students", nargs="+", default=["conv_small", "conv_micro", "conv_nano"])
    parser.add_argument("--ways", nargs="+", default=["alone", "taught", "unlabelled"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--teacher-seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    data, output = arguments.data.resolve(), arguments.output.resolve()
    teacher, epochs = output / f"teacher-{arguments.teacher_seed}", f"train.num_epochs={arguments.epochs}"
    train(data, teacher, [*TEACHER, epochs, f"seed={arguments.teacher_seed}"])
    taught = [*TAUGHT, f"train.teacher_ckpt_path={teacher}"]
    table = write_unlabelled(data, output / "unlabelled")
    ways = {"alone": [], "taught": taught, "unlabelled": [*taught, f"distill.unlabelled_filepath={table}"]}
    print("| network | | parameters (M) | GFLOP | mIoU by seed | mean |\n|---|---|---|---|---|---|")
    teachers = [path for path in output.glob("teacher-*") if (path / "metrics.json").is_file()]
    runs = {("prithvi_eo_tiny", "teacher"): [train(data, path, []) for path in sorted(teachers)]}
    for seed, name, way in product(arguments.seeds, arguments.students, arguments.ways):
        settings = [f"model.model_name={name}", *STUDENT, *ways[way], epochs, f"seed={seed}"]
        score = train(data, output / f"{name}-{way}-{seed}", settings)
        runs.setdefault((name, way), []).append(score)
    for (name, way), scores in runs.items():
        head = "light" if way == "teacher" else None
        spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        by_seed = ", ".join(f"{score:.4f}" for score in scores)
        print(f"| {name} | {way} | {describe(name, head)} | {by_seed} | {statistics.mean(scores):.4f}{spread} |")


if __name__ == "__main__":
    main()
