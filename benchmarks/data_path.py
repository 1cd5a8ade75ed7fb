"""Speed of checking, reading and augmenting chips; the chips are made by this program.

python benchmarks/data_path.py [--folder /tmp/chips] [--only reading,check,modes] [--rounds 3] [--compress deflate]

64 chips of 512 x 512 pixels and 13 layers, one date, two classes; 64 of 224 x 224 and 18 layers, three dates, 13
classes; int16, every fourth with no-data. Decoding alone is rasterio reading all layers of chip and label.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine

from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import process_and_augment
from instageo.model.chips.sample import stack_samples
from instageo.model.context import Run
from instageo.model.dataset.datasets import RandomCropDataset, build_loader
from instageo.model.dataset.from_settings import chip_reader_from_settings
from instageo.model.dataset.sampler import EpochSampler
from instageo.model.inspection.tables import inspect_table
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.table import write_table

SIX = ("hflip", "vflip", "rotate", "brightness", "blur", "noise")


@dataclass(frozen=True)
class ChipKind:
    """Size and content of chips."""

    name: str
    side: int
    num_layers: int
    num_dates: int
    num_classes: int
    window: int = 224

    def settings(self, folder: Path) -> Settings:
        """Return settings that read these chips."""
        return update_settings(
            Settings(),
            {
                "root_dir": str(folder / self.name),
                "train_filepath": "train.csv",
                "dataloader.temporal_dim": self.num_dates,
                "dataloader.band_names": [f"B{number}" for number in range(self.num_layers // self.num_dates)],
                "dataloader.cache_dir": str(folder / "cache"),
                "dataloader.img_size": self.window,
                "model.num_classes": self.num_classes,
                "model.model_name": "prithvi_eo_tiny",
                **{f"dataloader.augmentations.{name}.use": True for name in SIX},
                **{f"dataloader.augmentations.{name}.p": 0.5 for name in SIX},
            },
        )


KINDS = (ChipKind("512x512x13", 512, 13, 1, 2), ChipKind("224x224x18", 224, 18, 3, 13))


def make_chips(kind: ChipKind, folder: Path, count: int, compress: str) -> None:
    """Write smooth fields with noise, as reflectance x 10000, and labels in blocks of 16 pixels."""
    rng, side, chip_folder = np.random.default_rng(0), kind.side, folder / kind.name
    blocks = np.ones((16, 16))
    profile = {"driver": "GTiff", "crs": "EPSG:32630", "height": side, "width": side}
    for number in range(count):
        coarse = rng.normal(size=(kind.num_layers, side // 16, side // 16))
        values = 1500 + 400 * np.kron(coarse, blocks) + 60 * rng.normal(size=(kind.num_layers, side, side))
        chip = values.clip(1, 10000).astype(np.int16)
        chip[:, : side // 25 if number % 4 == 0 else 0] = -9999
        label = np.kron(rng.integers(0, kind.num_classes, (side // 16, side // 16)), blocks).astype(np.uint8)
        grid = Affine(30, 0, 500_000 + 30 * side * number, 0, -30, 4_000_000)
        for name, layers, no_data in (("chip", chip, -9999), ("label", label[None], 255)):
            path = chip_folder / f"{name}_{number:03}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = profile | {"count": len(layers), "dtype": layers.dtype.name, "nodata": no_data, "transform": grid}
            with rasterio.open(
                path, "w", **shape, **({"compress": compress, "predictor": 2} if compress else {})
            ) as out:
                out.write(layers)
    rows = [{"Input": f"chip_{number:03}.tif", "Label": f"label_{number:03}.tif"} for number in range(count)]
    write_table(chip_folder / "train.csv", rows)


def timed(work: Callable[[], object], rounds: int) -> str:
    """Return median, minimum and maximum wall time of some rounds, milliseconds per chip of 64."""
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) / 64 * 1e3)
    return f"{statistics.median(took):.1f} ({min(took):.1f}-{max(took):.1f})"


def decoding(kind: ChipKind, folder: Path) -> None:
    """Read every layer of chips and labels with rasterio, without any further work."""
    with rasterio.Env(GDAL_CACHEMAX=256):
        for path in sorted((folder / kind.name).glob("*.tif")):
            with rasterio.open(path) as source:
                source.read()


def reading(folder: Path, rounds: int) -> None:
    """Print milliseconds per chip of decoding, reading, and reading with six augmentations."""
    print("| chips | work | ms per chip, median (min-max) |\n|---|---|---|")
    for kind in KINDS:
        run = Run(kind.settings(folder), folder)
        print(f"| {kind.name} | decoding alone | {timed(lambda kind=kind: decoding(kind, folder), rounds)} |")
        report = inspect_table(run, "train_filepath")
        for cache in ("none", "memory", "disk"):
            reader = chip_reader_from_settings(update_settings(run.settings, {"dataloader.cache": cache}), report)
            for workers, six in ((0, False), (0, True), (1, True), (2, True)):
                if cache == "none" or workers == 0:
                    work = epochs(kind, RandomCropDataset(reader, (kind.window,) * 2, -1), run, workers, six=six)
                    next(work)  # workers start, caches fill
                    text = f"{'reading + six augmentations' if six else 'reading'}, {workers} workers, cache={cache}"
                    print(f"| {kind.name} | {text} | {timed(lambda work=work: next(work), rounds)} |", flush=True)


def epochs(kind: ChipKind, data: RandomCropDataset, run: Run, workers: int, *, six: bool) -> Iterator[None]:
    """Read one epoch with every `next`, as training does: batches of eight crops, augmented and normalised."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - (workers > 0)))
    bands = kind.num_layers // kind.num_dates
    mean, std, chosen = (
        torch.full((bands,), 1500.0),
        torch.full((bands,), 400.0),
        augmentations_from_settings(run.settings),
    )
    sampler = EpochSampler(len(data), 0)
    loader = build_loader(data, sampler, 8, workers, stack_samples)
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in loader:
            process_and_augment(batch, mean, std, chosen if six else (), generator)
        yield


def check(folder: Path, rounds: int) -> None:
    """Print seconds for a first and a second check of 2,000 rows (the 64 chips repeated under other names)."""
    print("| rows | first check, s | ms per row | second check, s |\n|---|---|---|---|")
    for kind in KINDS:
        chip_folder = folder / kind.name
        rows = []
        for number in range(2000):
            row = {}
            for name, column in (("chip", "Input"), ("label", "Label")):
                link = chip_folder / "many" / f"{name}_{number:04}.tif"
                link.parent.mkdir(exist_ok=True)
                if not link.exists():
                    link.hardlink_to(chip_folder / f"{name}_{number % 64:03}.tif")
                row[column] = f"many/{link.name}"
            rows.append(row)
        write_table(chip_folder / "many.csv", rows)
        run = Run(update_settings(kind.settings(folder), {"train_filepath": "many.csv"}), folder)
        first, second = [], []
        for _ in range(rounds):
            for path in (folder / "cache" / "checks").glob("*.json"):
                path.unlink()
            for took in (first, second):
                start = time.perf_counter()
                inspect_table(run, "train_filepath")
                took.append(time.perf_counter() - start)
        one, two = statistics.median(first), statistics.median(second)
        print(f"| 2,000 of {kind.name} | {one:.1f} ({min(first):.1f}-{max(first):.1f}) | {one / 2:.1f} | {two:.2f} |")


def modes(folder: Path, rounds: int) -> None:
    """Print seconds of whole processes: mode=stats and mode=eval."""
    print("| chips | mode | wall, s | CPU, s |\n|---|---|---|---|")
    for kind in KINDS:
        bands = kind.num_layers // kind.num_dates
        shared = [
            f"root_dir={folder / kind.name}", f"dataloader.temporal_dim={kind.num_dates}",
            f"model.num_classes={kind.num_classes}", f"dataloader.cache_dir={folder / 'cache'}",
            "dataloader.band_names=[" + ",".join(f"B{number}" for number in range(bands)) + "]",
            f"hydra.run.dir={folder / 'run'}",
        ]  # fmt: skip
        net = ["model.model_name=prithvi_eo_tiny", "model.load_pretrained_weights=false", "dataloader.mean=auto"]
        train = ["train_filepath=train.csv", "valid_filepath=train.csv", "train.num_epochs=1", *net]
        call(["mode=train", *shared, *train])
        best = f"checkpoint_path={folder / 'run' / 'instageo_best_checkpoint.ckpt'}"
        for mode, rest in (("stats", ["train_filepath=train.csv"]), ("eval", ["test_filepath=train.csv", best])):
            took = []
            for _ in range(rounds):
                for path in (folder / "cache" / "checks").glob("*.json"):
                    path.unlink()
                took.append(call([f"mode={mode}", *shared, *rest]))
            wall, cpu = (statistics.median(column) for column in zip(*took, strict=True))
            print(f"| 64 of {kind.name} | {mode} | {wall:.1f} | {cpu:.1f} |", flush=True)


def call(arguments: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of one run of the program."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "instageo.model.run", *arguments], check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


PARTS = {"reading": reading, "check": check, "modes": modes}


def main() -> None:
    """Run the requested parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compress", default="")
    args = parser.parse_args()
    keep_freed_memory()
    logging.disable(logging.WARNING)
    versions = {"torch": torch.__version__, "rasterio": rasterio.__version__, "numpy": np.__version__}
    print(json.dumps({"python": platform.python_version(), **versions, "cores": os.cpu_count()}))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).absolute()
        for kind in KINDS:
            if not (folder / kind.name / "train.csv").exists():
                make_chips(kind, folder, 64, args.compress)
        for part in args.only.split(","):
            PARTS[part](folder, args.rounds)


if __name__ == "__main__":
    main()
