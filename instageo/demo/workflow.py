"""The demo: from a catalogue with a real scene to chips, training, scores and maps, with the commands of a user."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from instageo.data.scene_chips.pixel_blocks import split_by_blocks
from instageo.demo.catalog import BANDS, COLLECTION, make_catalog
from instageo.demo.figure import draw_overview
from instageo.errors import InstaGeoError
from instageo.files import write_bytes
from instageo.raster.reading import read_info
from instageo.runtime.own_modules import module_command, module_environment
from instageo.runtime.termination import was_terminated
from instageo.table import DATES, INPUT, LABEL, LATITUDE, LONGITUDE, write_table
from instageo.table_formats import READERS
from instageo.wording import counted

SCENE = Path(__file__).parent / "scene" / "raleigh_2000.tif"
LANDCOVER = Path(__file__).parent / "scene" / "raleigh_landcover.tif"

CLASS_NAMES = ("developed", "agriculture", "herbaceous", "shrubland", "forest", "water", "sediment")
CLASS_COLORS = (
    (215, 48, 39), (254, 217, 118), (166, 217, 106), (140, 180, 60), (26, 120, 60), (33, 113, 181), (160, 120, 90),
)  # fmt: skip

CHIP_SIZE, BLOCK_SIZE = 64, 128
"""Sides of a chip and of a block of the split, pixels."""

MIN_LABELLED = 0.05
"""Smallest share of a chip with labels."""

DAY = "2000-05-01"
"""Day that the scene and its labels are given; its true day in 2000 is not known."""

COLUMNS = (INPUT, LABEL, DATES, LATITUDE, LONGITUDE)
"""Columns of the tables."""

SPLIT_FRACTIONS = {"train": 0.6, "valid": 0.2, "test": 0.2}

RESULTS = {
    "run/metrics.json": "scores on the validation blocks, by class",
    "test/metrics.csv": "scores on the held-out blocks as a table, by class",
    "test/confusion_matrix.png": "which classes are confused with which",
    "run/learning_curve.png": "loss and scores over the epochs",
    "overview.png": "image, ground truth and prediction side by side",
    "maps/scene/raleigh_2000.tif": "land cover of the whole scene, georeferenced",
    "maps/chips": "a map of every chip",
    "run/instageo_best_checkpoint.ckpt": "the trained model",
    "data/chips": "chips, labels and tables, made of a catalogue as you would make your own",
}
"""Files and folders that the demo writes, and what they contain."""


def run_demo(folder: Path, *, epochs: int, seed: int) -> None:
    """Run all steps of the demo.

    Args:
        folder: Output folder; created if it does not exist; files of an earlier demo are overwritten.
        epochs: Training epochs.
        seed: Seed of the split, the weights and training; the same seed gives the same scores.

    Raises:
        InstaGeoError: A step failed.
    """
    console = Console(stderr=True)
    start = time.monotonic()
    console.rule("1 of 5 · making chips")
    _prepare(folder / "data", seed, console)
    console.rule("2 of 5 · statistics of the training chips")
    tables = {name: f"{name}_filepath={name}.csv" for name in SPLIT_FRACTIONS}
    chips = folder / "data" / "chips"
    common = [f"root_dir={chips}", "model.num_classes=7", "dataloader.reduce_to_zero=true", f"seed={seed}"]
    output = _instageo(["run", "mode=stats", *common, tables["train"], f"hydra.run.dir={folder / 'stats'}"], console)
    stats = json.loads(output.splitlines()[-1])
    console.rule("3 of 5 · training")
    training = [*common, tables["train"], tables["valid"], *_training_settings(stats, epochs)]
    _instageo(["run", *training, f"hydra.run.dir={folder / 'run'}", "train.overwrite=true"], console)
    model = [f"root_dir={chips}", f"checkpoint_path={folder / 'run' / 'instageo_best_checkpoint.ckpt'}"]
    console.rule("4 of 5 · scores on the held-out blocks")
    scores = _instageo(["run", "mode=eval", *model, tables["test"], f"hydra.run.dir={folder / 'test'}"], console)
    sys.stdout.write(scores)
    console.rule("5 of 5 · maps")
    inference = ["mode=chip_inference", *model, "test_filepath=all.csv", f"output_dir={folder / 'maps'}"]
    _instageo(["run", *inference, f"hydra.run.dir={folder / 'inference'}"], console)
    draw_overview(
        SCENE, LANDCOVER, folder / "maps" / "scene" / SCENE.name, folder / "overview.png",
        names=CLASS_NAMES, colors=CLASS_COLORS, held_out=_test_chip_origins(chips), size=CHIP_SIZE,
    )  # fmt: skip
    console.rule(f"done in {time.monotonic() - start:.0f} s")
    _list_results(folder)


def _prepare(folder: Path, seed: int, console: Console) -> None:
    """Make chips of the scene, and write the tables train.csv, valid.csv, test.csv and all.csv."""
    scene = read_info(SCENE).grid
    items = make_catalog(SCENE, folder / "catalog", tiles={"RALEIGH": (0, scene.width)}, dates={DAY: 1.0})
    chips = folder / "chips"
    shutil.rmtree(chips, ignore_errors=True)  # of an earlier demo
    _instageo(
        [
            "chips", "raster", str(LANDCOVER), f"--output={chips}", f"--catalog={items}", "--source=stac",
            f"--collection={COLLECTION}", f"--assets={','.join(f'{band}={band}' for band in BANDS)}",
            f"--size={CHIP_SIZE}", f"--date={DAY}", "--tolerance-days=0", f"--min-labelled={MIN_LABELLED}",
        ],
        console,
    )  # fmt: skip
    rows = READERS[".csv"]((chips / "chips.csv").read_bytes(), "chips.csv")
    origins = [(int(str(row["row"])), int(str(row["column"]))) for row in rows]
    names = [f"count_{value}" for value in range(1, len(CLASS_NAMES) + 1)]
    counts = [[int(str(row[name])) for name in names] for row in rows]
    splits = split_by_blocks(origins, SPLIT_FRACTIONS, block_size=BLOCK_SIZE, seed=seed, class_counts=counts)
    for name, indices in splits.items():
        write_table(chips / f"{name}.csv", [{key: rows[index][key] for key in COLUMNS} for index in indices])
        console.print(
            f"{name}.csv: {counted(len(indices), 'chip')}, from blocks of {BLOCK_SIZE} pixels in no other split"
        )
    write_bytes(chips / "scene" / SCENE.name, SCENE.read_bytes())
    whole_scene = dict.fromkeys(COLUMNS, "") | {INPUT: f"scene/{SCENE.name}"}
    write_table(chips / "all.csv", [*({key: row[key] for key in COLUMNS} for row in rows), whole_scene])


def _training_settings(stats: dict[str, list[float]], epochs: int) -> list[str]:
    names, colors = ",".join(CLASS_NAMES), ",".join(f"[{red},{green},{blue}]" for red, green, blue in CLASS_COLORS)
    return [
        "model.model_name=prithvi_eo_tiny",
        "model.load_pretrained_weights=false",
        "model.head=light",
        f"model.class_names=[{names}]",
        f"model.class_colors=[{colors}]",
        f"dataloader.mean={_numbers(stats['mean'])}",
        f"dataloader.std={_numbers(stats['std'])}",
        f"dataloader.img_size={CHIP_SIZE}",
        f"train.num_epochs={epochs}",
        "train.learning_rate=0.001",
        "train.batch_size=4",
        f"train.warmup_epochs={min(2, epochs)}",
        "train.gradient_clip_val=1",
    ]


def _numbers(values: Sequence[float]) -> str:
    return "[" + ",".join(f"{value:.4f}" for value in values) + "]"


def _instageo(arguments: Sequence[str], console: Console) -> str:
    """Run one command as a user would, with its progress shown, and return its stdout."""
    console.print(f"[dim]$ instageo {escape(shlex.join(arguments))}[/dim]", highlight=False, soft_wrap=True)
    command, environment = module_command("instageo.cli", *arguments), module_environment()
    with subprocess.Popen(  # noqa: S603 our own program
        command, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            if was_terminated():  # Ctrl-C reaches the command itself, SIGTERM only this process
                process.terminate()
            process.wait()
            raise
    if process.returncode:
        raise InstaGeoError(f"the demo stopped: the command above ended with status {process.returncode}")
    return output


def _test_chip_origins(folder: Path) -> list[tuple[int, int]]:
    """Return (row, column) of the first pixel of the test chips, from their file names."""
    lines = (folder / "test.csv").read_text(encoding="utf-8").splitlines()[1:]
    stems = [Path(line.partition(",")[0]).stem.split("_") for line in lines]
    return [(int(row), int(column)) for *_, row, column in stems]


def _list_results(folder: Path) -> None:
    console = Console()
    for name, meaning in RESULTS.items():
        console.print(f"  {folder / name}  [dim]{meaning}[/dim]", highlight=False, soft_wrap=True)
