"""Cost of metrics: one `update` per chip, and its share of `mode=eval` and of a training epoch.

OMP_NUM_THREADS=1 python benchmarks/metrics.py [--repeats 30] [--shares] [--reference] [--others]

Updates are measured as CPU time of the thread, so that other work on the machine matters little. With --shares the
program trains and scores `prithvi_eo_tiny` on chips it writes itself, in wall time; with --reference torchmetrics
scores a chip; with --others regression and multi-label classification are scored.
"""

import argparse
import csv
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from torch import Tensor

from instageo.model.commands import evaluate
from instageo.model.metrics.density import DensityRange
from instageo.model.metrics.multilabel import MultiLabelMetrics
from instageo.model.metrics.regression import RegressionMetrics
from instageo.model.metrics.segmentation import SegmentationMetrics
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.run import main as run
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.table import write_table


def draw_chip(classes: int, side: int, ignored: float, confidence: float) -> tuple[Tensor, Tensor]:
    """Return logits (K, side, side) correlated with the labels, times `confidence`, and labels with some ignored."""
    label = torch.randint(0, classes, (side, side))
    logits = torch.randn(classes, side, side) + 2 * torch.nn.functional.one_hot(label, classes).movedim(-1, 0)
    return (confidence * logits).contiguous(), torch.where(torch.rand(side, side) < ignored, -1, label)


def milliseconds(call: Callable[[], object], repeats: int) -> str:
    """Return median, minimum and maximum CPU time of the calls."""
    for _ in range(2):
        call()
    taken = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        taken.append(1000 * (time.thread_time() - start))
    return f"{statistics.median(taken):.2f} ({min(taken):.2f}-{max(taken):.2f})"


def show_updates(repeats: int) -> None:
    """Print a line per kind of chip."""
    print("| chip | without ROC-AUC, ms | with, ms |\n|---|---|---|")
    for side in (224, 512):
        for classes in (2, 13):
            for kind, ignored, confidence in (
                ("", 0.0, 1.0), (", half ignored", 0.5, 1.0), (", confident network", 0.0, 10.0)
            ):  # fmt: skip
                chip = draw_chip(classes, side, ignored, confidence)
                cells = []
                for roc in (False, True):
                    metrics = SegmentationMetrics(classes, roc=roc)
                    cells.append(milliseconds(lambda metrics=metrics, chip=chip: metrics.update(*chip), repeats))
                print(f"| {side} pixels, {classes} classes{kind} | {' | '.join(cells)} |", flush=True)


def show_others(repeats: int) -> None:
    """Print a line per kind of regression and multi-label scoring, compared with segmentation of two classes."""
    print("| 224 pixels | ms |\n|---|---|")
    chip, two = draw_chip(2, 224, 0.0, 1.0), SegmentationMetrics(2)
    print(f"| segmentation, 2 classes | {milliseconds(lambda: two.update(*chip), repeats)} |")
    truth = 100 * torch.rand(224, 224)
    prediction = truth + 10 * torch.randn(224, 224)
    for kind, absent in (("", 0.0), (", 99 % without label", 0.99)):
        labels = torch.where(torch.rand(224, 224) < absent, torch.nan, truth)
        for more, density in (("", None), (", counts for the figure", DensityRange(-10, 110))):
            metrics = RegressionMetrics(density=density)
            taken = milliseconds(lambda metrics=metrics, labels=labels: metrics.update(prediction, labels), repeats)
            print(f"| regression{kind}{more} | {taken} |", flush=True)
    for num_labels in (1, 19):
        logits, label = torch.randn(num_labels, 224, 224), torch.randint(0, 2, (num_labels, 224, 224))
        many = MultiLabelMetrics(num_labels)
        for what, shown in (("every pixel", (logits, label)), ("one chip", (logits[:, :1, :1], label[:, :1, :1]))):
            taken = milliseconds(lambda many=many, shown=shown: many.update(*shown), repeats)
            print(f"| {num_labels} labels, {what} | {taken} |", flush=True)


def show_reference() -> None:
    """Score one chip of 224 pixels by torchmetrics: confusion matrix, and ROC-AUC from 200 thresholds."""
    from torchmetrics.functional.classification import multiclass_auroc, multiclass_confusion_matrix

    for classes in (2, 13):
        logits, label = draw_chip(classes, 224, 0.0, 1.0)
        start = time.thread_time()
        multiclass_confusion_matrix(logits[None], label[None], classes, ignore_index=-1)
        between = time.thread_time()
        multiclass_auroc(logits[None], label[None], classes, average=None, thresholds=200, ignore_index=-1)
        first, second = between - start, time.thread_time() - between
        print(f"torchmetrics {version('torchmetrics')}, {classes} classes: {1000 * first:.0f} ms + {second:.2f} s")


def write_chips(folder: Path, classes: int, dates: int, count: int) -> list[str]:
    """Write chips of 224 pixels of noise, and return the settings that use a small network on them."""
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        grid = Grid("EPSG:32614", Affine(30, 0, 10_000 * number, 0, -30, 0), 224, 224)
        row = {"Input": f"chip_{number}.tif", "Label": f"label_{number}.tif"}
        write_raster(folder / row["Input"], rng.integers(0, 3000, (6 * dates, 224, 224), dtype=np.int16), grid)
        write_raster(folder / row["Label"], rng.integers(0, classes, (1, 224, 224), dtype=np.uint8), grid)
        rows.append(row)
    write_table(folder / "table.csv", rows)
    small = ["model.model_name=prithvi_eo_tiny", "model.load_pretrained_weights=false", "accelerator=cpu"]
    sizes = [f"model.num_classes={classes}", f"dataloader.temporal_dim={dates}", "train.batch_size=8"]
    tables = [f"{kind}_filepath=table.csv" for kind in ("train", "valid", "test")]
    return [f"root_dir={folder}", *tables, *small, *sizes, "dataloader.num_workers=0"]


@contextmanager
def timed(owner: object, name: str) -> Iterator[list[float]]:
    """Record the seconds of each call of a function inside this block."""
    inner, taken = getattr(owner, name), []

    def outer(*arguments: object) -> object:
        start = time.perf_counter()
        try:
            return inner(*arguments)
        finally:
            taken.append(time.perf_counter() - start)

    setattr(owner, name, outer)
    try:
        yield taken
    finally:
        setattr(owner, name, inner)


def show_shares(classes: int, epochs: int, count: int = 32) -> None:
    """Print the share of updates in training epochs with three dates, and in the scoring of `mode=eval` with one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = write_chips(folder, classes, 3, count)
        with timed(SegmentationMetrics, "update") as updates:
            run([*settings, f"train.num_epochs={epochs}", f"hydra.run.dir={folder / 'three'}"])
        with open(folder / "three" / "history.csv", encoding="utf-8") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        spent = [sum(updates[epoch * count : (epoch + 1) * count]) for epoch in range(epochs)]
        shares = [100 * part / whole for part, whole in zip(spent, seconds, strict=True)]
        print(f"{classes} classes, training epoch at 3 dates: {spread(shares)} % of {spread(seconds)} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = write_chips(folder, classes, 1, count)
        run([*settings, "train.num_epochs=1", f"hydra.run.dir={folder / 'one'}"])
        shares, wholes = [], []
        for number in range(epochs):
            with timed(SegmentationMetrics, "update") as updates, timed(evaluate, "score") as scores:
                run(
                    [
                        *settings,
                        "mode=eval",
                        f"checkpoint_path={folder / 'one'}",
                        f"hydra.run.dir={folder / str(number)}",
                    ]
                )
            shares.append(100 * sum(updates) / sum(scores))
            wholes.append(1000 * sum(scores) / count)
        print(f"{classes} classes, scoring in mode=eval at 1 date: {spread(shares)} % of {spread(wholes)} ms a chip")


def spread(values: list[float]) -> str:
    """Return median, minimum and maximum."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    """Print the requested measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--shares", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--others", action="store_true")
    args = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    if args.shares:
        for classes in (2, 13):
            show_shares(classes, 5)
    elif args.reference:
        show_reference()
    elif args.others:
        show_others(args.repeats)
    else:
        show_updates(args.repeats)


if __name__ == "__main__":
    main()
