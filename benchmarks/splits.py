"""Splits of chips by space: least distances and times beside other packages, and how much a random split flatters.

    python benchmarks/splits.py compare OUTPUT --others PYTHON
    python benchmarks/splits.py floods DATA OUTPUT --epochs 6 --seeds 1
    python benchmarks/splits.py folds DATA OUTPUT --epochs 6 --seeds 1
    python benchmarks/splits.py regions DATA OUTPUT --epochs 8 --seeds 1

`compare` splits the same places by `instageo split`, and by verde and spatial-kfold, which PYTHON, another interpreter,
has. `floods`, `folds` and `regions` need the groups table that `instageo clean` makes of the 271 flood chips.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHIP_KM, DEGREES = 6.72, 0.45
"""Side of a chip; side of a block, 50 km, as the other packages take it."""

OURS = {
    "instageo random": ["--by", "random"],
    "instageo blocks of 50 km": ["--by", "blocks", "--block-km", "50"],
    "instageo blocks, buffer 10 km": ["--by", "blocks", "--buffer-km", "10"],
    "instageo distance 10 km": ["--by", "distance", "--buffer-km", "10"],
}
OTHERS = ("verde train_test_split", "verde BlockKFold", "spatial-kfold blocks", "spatial-kfold clusters")

Result = tuple[NDArray[np.intp], NDArray[np.intp], float]
"""Training and test rows, and CPU seconds."""

PIXEL_KM, CHIP_PIXELS = 0.03, 128
"""Of the flood chips."""

ELEVATION_LAYER, REGION_M = 9, (110.0, 135.0)
"""Layer of flood chips with the elevation, m, and range of its mean in the region left out."""

BANDS = [
    "dataloader.bands=[1,2,3,4,5,6]",
    "dataloader.mean=[505.3,838.1,1011.4,2074.3,2015.3,1407.1]",
    "dataloader.std=[336.1,428.7,609.3,1050.9,1244.1,1008.4]",
]
"""Settings for the bands of the flood chips."""


def places(kind: str, count: int) -> NDArray[np.float64]:
    """Return longitudes and latitudes, shape (count, 2): in clusters of 5 km, or all over 1,000 km x 700 km."""
    rng = np.random.default_rng(0)
    if kind == "dense":
        return np.asarray(np.c_[rng.uniform(0, 9, count), rng.uniform(40, 49, count)])
    centers = np.c_[rng.uniform(-20, 50, count // 50), rng.uniform(-30, 30, count // 50)]
    return np.asarray(centers[rng.integers(0, len(centers), count)] + rng.normal(0, 0.05, (count, 2)))


def run_other(name: str, table: str) -> None:
    """Split by another package; print the CPU seconds of its call, and which rows are its test part, as JSON."""
    lonlat = np.loadtxt(table, delimiter=",", skiprows=1, usecols=(1, 2))
    if name.startswith("verde"):
        verde = import_module("verde")

        coordinates = (lonlat[:, 0], lonlat[:, 1])
        start = time.process_time()
        if name.endswith("train_test_split"):
            data = np.arange(len(lonlat))
            _, (_, [test], _) = verde.train_test_split(
                coordinates, data, spacing=DEGREES, test_size=0.2, random_state=0
            )
        else:
            folds = verde.BlockKFold(spacing=DEGREES, n_splits=5, shuffle=True, random_state=0)
            _, test = next(folds.split(lonlat))
    else:
        geopandas = import_module("geopandas")
        blocks_of, clusters_of = import_module("spatialkfold.blocks"), import_module("spatialkfold.clusters")

        points = geopandas.GeoDataFrame(
            {"id": np.arange(len(lonlat))}, geometry=geopandas.points_from_xy(*lonlat.T), crs="EPSG:4326"
        )
        start = time.process_time()
        if name.endswith("blocks"):
            blocks = blocks_of.spatial_blocks(points, DEGREES, DEGREES, nfolds=5, random_state=0)
            joined = geopandas.sjoin(points, blocks[["folds", "geometry"]]).drop_duplicates("id")
        else:
            joined = clusters_of.spatial_kfold_clusters(points, name="id", nfolds=5, random_state=0)
        test = joined["id"][joined["folds"] == 1].to_numpy()
    print(json.dumps({"seconds": time.process_time() - start, "test": np.asarray(test).tolist()}))


def compare(output: str, others: str) -> None:
    """Print a row for each package and set of places."""
    from instageo.geodesy.circles import Circles
    from instageo.geodesy.distances import find_near, find_nearest_pair

    print("| places | split | least distance, km | test chips that may overlap | dropped | CPU s |")
    print("|---|---|---|---|---|---|")
    for kind, count in (("clustered", 20_000), ("dense", 20_000), ("dense", 200_000)):
        lonlat = places(kind, count)
        circles = Circles.around(lonlat, CHIP_KM / np.sqrt(2))
        table = Path(output) / f"{kind}_{count}.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(table, np.c_[np.arange(count), lonlat], "chip_%d.tif,%.6f,%.6f", header="Input,lon,lat", comments="")
        for name in (*OURS, *OTHERS):
            result = split_ours(table, name) if name in OURS else split_by_other(others, name, table)
            if result is None:
                print(f"| {count:,} {kind} | {name} | refused | | | |", flush=True)
                continue
            train, test, seconds = result
            nearest = find_nearest_pair(circles.take(train), circles.take(test))
            least = nearest.distance_km if nearest else 0.0
            overlapping = find_near(circles.take(test), circles.take(train), 0).sum() / len(test)
            dropped = 1 - (len(train) + len(test)) / count
            row = f"{count:,} {kind} | {name} | {least:.2f} | {overlapping:.0%} | {dropped:.0%} | {seconds:.1f}"
            print(f"| {row} |", flush=True)


def split_ours(table: Path, name: str) -> Result | None:
    """Run the command, with reading and writing; return training and test rows and CPU seconds, None if it refuses."""
    folder = table.with_suffix("") / name.replace(" ", "_").replace(",", "")
    command = [sys.executable, "-m", "instageo.data.data_splitter", str(table), *OURS[name], "--shares", "80,0,20"]
    command += ["--chip-km", str(CHIP_KM), "--output", str(folder)]
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    return read_numbers(folder / "train.csv"), read_numbers(folder / "test.csv"), seconds


def read_numbers(path: Path) -> NDArray[np.intp]:
    """Return the numbers of the chips of a table."""
    with path.open(newline="") as file:
        return np.array([int(row["Input"].rpartition("_")[2][:-4]) for row in csv.DictReader(file)])


def split_by_other(python: str, name: str, table: Path) -> Result:
    """Run another package in its own interpreter; only its call is timed."""
    command = [python, __file__, "other", name, str(table)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[-1])
    test = np.array(found["test"])
    count = sum(1 for _ in table.open()) - 1
    return np.setdiff1d(np.arange(count), test), test, found["seconds"]


def floods(data: Path, output: Path, epochs: int, seeds: Sequence[int]) -> None:
    """Train on the flood chips split anew, and print the score of each split's validation part."""
    table = write_flood_table(data, output)
    splits = {
        "random": ["--by", "random", "--chip-km", str(PIXEL_KM * CHIP_PIXELS)],
        "blocks, buffer 1 km": ["--by", "blocks", "--block-km", "20", "--buffer-km", "1", "--chip-km", "3.84"],
        "region": ["--by", "lists", "--column", "region_part", "--chip-km", "3.84"],
    }
    print(
        "| split | seed | train | val | val chips that may overlap | mIoU | accuracy |\n|---|---|---|---|---|---|---|"
    )
    for name, options in splits.items():
        for seed in seeds:
            folder = output / f"{name.split()[0].strip(',')}_{seed}"
            command = [sys.executable, "-m", "instageo.data.data_splitter", str(table), *options, f"--seed={seed}"]
            subprocess.run(
                [*command, "--shares=80,20", f"--output={folder}", "--balance=read"], check=True, capture_output=True
            )
            record = json.loads((folder / "split.json").read_text())
            metrics = train(folder, folder / "run", epochs, seed)
            rows = {part: content["rows"] for part, content in record["parts"].items()}
            print(
                f"| {name} | {seed} | {rows['train']} | {rows['val']} | {record['pairs'][0]['overlapping']} | "
                f"{metrics['mIoU']:.3f} | {metrics['accuracy']:.3f} |",
                flush=True,
            )


def folds(data: Path, output: Path, epochs: int, seeds: Sequence[int]) -> None:
    """Train on each half of the flood chips and score on the other, so that both splits are scored on all chips."""
    table = write_flood_table(data, output)
    print("| halves | seed | train chips that may overlap a test chip | mIoU of each half | mean | accuracy |")
    print("|---|---|---|---|---|---|")
    for seed in seeds:
        for name, options in {"random": ["--over=random"], "blocks": ["--over=blocks", "--block-km=20"]}.items():
            folder = output / f"halves_{name}_{seed}"
            command = [sys.executable, "-m", "instageo.data.data_splitter", str(table), "--by=kfold", "--folds=2"]
            command += [*options, f"--seed={seed}", "--chip-km=3.84", "--balance=read", f"--output={folder}"]
            subprocess.run(command, check=True, capture_output=True)
            halves = [folder / "fold_1", folder / "fold_2"]
            scores = [train(half, half / "run", epochs, seed, scored="test.csv") for half in halves]
            records = [json.loads((half / "split.json").read_text()) for half in halves]
            overlapping = sum(record["pairs"][0]["overlapping"] for record in records)
            mious, accuracies = ([score[key] for score in scores] for key in ("mIoU", "accuracy"))
            parts = ", ".join(f"{miou:.3f}" for miou in mious)
            means = f"{np.mean(mious):.3f} | {np.mean(accuracies):.3f}"
            print(f"| {name} | {seed} | {overlapping} of 271 | {parts} | {means} |", flush=True)


def regions(data: Path, output: Path, epochs: int, seeds: Sequence[int]) -> None:
    """Cross-validate `conv_nano` over regions of the flood chips, each left out once, and over random folds."""
    table = write_flood_table(data, output)
    print("| folds | mIoU, mean and deviation | mIoU of each fold | pooled mIoU | accuracy, mean and deviation |")
    print("|---|---|---|---|---|")
    for name, options in {
        "regions": ["--by=region", "--column=region"],
        "random": ["--by=kfold", "--folds=5"],
    }.items():
        folder, runs = output / name, output / f"{name}_cv"
        split = [sys.executable, "-m", "instageo.data.data_splitter", str(table), *options, "--chip-km=3.84"]
        subprocess.run([*split, "--balance=read", f"--output={folder}"], check=True, capture_output=True)
        command = [sys.executable, "-m", "instageo.cli", "cv", str(folder), *BANDS, "model.model_name=conv_nano"]
        command += ["train.learning_rate=0.001", f"train.num_epochs={epochs}", "logger=none", "dataloader.cache=memory"]
        command += ["dataloader.augmentations.rotate.use=true", f"--seeds={','.join(map(str, seeds))}"]
        subprocess.run([*command, f"--output={runs}"], check=True, capture_output=True)
        scores = json.loads((runs / "cv.json").read_text())["scores"]
        miou, accuracy = (scores[key]["mean_of_folds"] for key in ("mIoU", "accuracy"))
        print(
            f"| {name} | {miou['mean']:.3f} ± {miou['std']:.3f} | {', '.join(f'{v:.3f}' for v in miou['values'])} | "
            f"{scores['mIoU']['pooled']['mean']:.3f} | {accuracy['mean']:.3f} ± {accuracy['std']:.3f} |",
            flush=True,
        )


def write_flood_table(groups: Path, output: Path) -> Path:
    """Write the groups table with a place for each chip: its own in its component, components a degree apart.

    The region that is left out are the plains, by the mean elevation of a chip; `heads.py` has the same one.
    """
    from instageo.raster.reading import read_raster

    with groups.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for column in ("Input", "Label"):  # the new table lies in another folder
            row[column] = str(groups.parent.resolve() / row[column])
        elevation = read_raster(row["Input"]).values[ELEVATION_LAYER].mean()
        row["region"] = "low" if elevation < REGION_M[0] else "plains" if elevation <= REGION_M[1] else "high"
        row["region_part"] = "val" if row["region"] == "plains" else "train"
        number = int(row["component"])
        km = [float(row[f"component_{axis}"]) * PIXEL_KM for axis in ("row", "column")]
        row["lat"] = f"{number // 40 - km[0] / 111.195:.6f}"
        row["lon"] = f"{number % 40 + km[1] / 111.195:.6f}"
    path = output / "floods.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def train(folder: Path, run: Path, epochs: int, seed: int, scored: str = "val.csv") -> dict[str, float]:
    """Train `prithvi_eo_tiny` from random weights, and return the scores of the best epoch; an existing run is read."""
    command = [
        sys.executable, "-m", "instageo.model.run", f"root_dir={folder}", "train_filepath=train.csv",
        f"valid_filepath={scored}", *BANDS, "model.model_name=prithvi_eo_tiny",
        "model.load_pretrained_weights=false", "train.learning_rate=0.001", f"train.num_epochs={epochs}",
        "train.gradient_clip_val=1", f"seed={seed}", f"hydra.run.dir={run}",
        "dataloader.augmentations.rotate.use=true", "logger=none", "dataloader.cache=memory",
    ]  # fmt: skip
    if not (run / "metrics.json").is_file():
        subprocess.run(command, check=True, capture_output=True)
    scores: dict[str, float] = json.loads((run / "metrics.json").read_text())
    return scores


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    comparing = modes.add_parser("compare")
    comparing.add_argument("output")
    comparing.add_argument("--others", required=True, help="interpreter that has verde and spatial-kfold")
    other = modes.add_parser("other")
    other.add_argument("name")
    other.add_argument("table")
    for mode in ("floods", "folds", "regions"):
        flooding = modes.add_parser(mode)
        flooding.add_argument("data", type=Path, help="groups table of the flood chips")
        flooding.add_argument("output", type=Path)
        flooding.add_argument("--epochs", type=int, default=10)
        flooding.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    if arguments.mode == "compare":
        compare(arguments.output, arguments.others)
    elif arguments.mode == "other":
        run_other(arguments.name, arguments.table)
    else:
        bench = {"floods": floods, "folds": folds, "regions": regions}[arguments.mode]
        bench(arguments.data, arguments.output, arguments.epochs, arguments.seeds)


if __name__ == "__main__":
    main()
