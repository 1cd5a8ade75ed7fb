"""Time and memory of `instageo map` in whole processes, beside the network alone and an earlier version.

python benchmarks/scenes.py speed FOLDER [--sizes 4096 10980] [--former CHECKOUT] [--former-sizes 4096] [--rounds 1]
python benchmarks/scenes.py memory FOLDER [--sizes 10980 30000]

Scenes and a network with random weights are made in FOLDER and kept. Scenes have six int16 bands and are deflated in
blocks of 512: a patch of smooth ground repeated, with noise. Those of 30,000 pixels or more are sparse: one column of
blocks and a few blocks elsewhere are valid. A ground chip is 224 x 224 pixels of the scene, however many tiles overlap
there. CHECKOUT is a checkout of a version without `instageo map`, whose `mode=chip_inference` maps the same scenes. On
a busy machine set OMP_NUM_THREADS=1: threads that wait for each other count as CPU time.
"""

import argparse
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from map_parts import run_timed, time_network
from scene_files import CHIP, SPARSE_FROM, make_model, make_scene
from whole_processes import Usage, describe_machine, loop_seconds, run

FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
DEFAULT_OVERLAP, LARGEST_VARIED = 16, 4096


class Variant(NamedTuple):
    """Options of a run, and the overlap they mean."""

    name: str
    overlap: int
    options: tuple[str, ...]


PYTORCH = Variant("default overlap, PyTorch f32", DEFAULT_OVERLAP, ("--backend", "torch", "--precision", "f32"))

VARIANTS = [
    Variant("overlap 0", 0, ("--overlap", "0")),
    Variant("overlap 1/2", CHIP // 2, ("--overlap", str(CHIP // 2))),
    Variant("default overlap, PyTorch bf16", DEFAULT_OVERLAP, ("--backend", "torch", "--precision", "bf16")),
]


def num_tiles(size: int, overlap: int) -> int:
    """Return the number of tiles of a scene without empty ones."""
    return math.ceil((size - overlap) / (CHIP - overlap)) ** 2


def print_header() -> None:
    """Print the head of the table."""
    print("| scene | what | tiles | wall s | CPU s | chips/s | chips per CPU s | peak GB | loop s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)


def report(name: str, size: int, tiles: int, used: Usage) -> None:
    """Print a row of the table."""
    chips = size**2 / CHIP**2
    cells = f"{tiles:,} | {used.wall:.0f} | {used.cpu:.0f} | {chips / used.wall:.1f} | {chips / used.cpu:.2f}"
    print(f"| {size}² | {name} | {cells} | {used.peak / 1e9:.2f} | {loop_seconds():.2f} |", flush=True)


def speed(folder: Path, sizes: list[int], former: Path | None, former_sizes: list[int], rounds: int) -> None:
    """Print a table of runs, and the shares of the parts of the default run."""
    sets, rows = describe_machine(), VARIANTS
    if not sets & FAST_BFLOAT16:
        rows = [row for row in rows if "bf16" not in row.name]
    print_header()
    profiles = {}
    for size in sizes:
        scene = make_scene(folder, size)
        checkpoint = make_model(folder, scene)
        for _ in range(rounds):
            used = run_map(checkpoint, scene, folder, timed=True)
            report("default overlap", size, num_tiles(size, DEFAULT_OVERLAP), used)
            profiles[size] = json.loads(used.output.splitlines()[-1]), time_alone(checkpoint, folder)
            for name, overlap, options in [PYTORCH, *(rows if size <= LARGEST_VARIED else [])]:
                report(name, size, num_tiles(size, overlap), run_map(checkpoint, scene, folder, *options))
            if former and size in former_sizes:
                used = run_former(former, checkpoint, scene, folder)
                report("earlier version, overlap 1/2", size, num_tiles(size, CHIP // 2), used)
    for size, (measured, (cpu, wall)) in profiles.items():
        print(f"\n{size}²: {measured['cpu']:.1f} CPU s, {measured['wall']:.1f} s; network alone {cpu:.1f} CPU ms and ")
        print(f"{wall:.1f} ms a tile, {torch.get_num_threads()} threads of PyTorch")
        print("\n| part | CPU s of its thread | share | wall s |\n|---|---|---|---|")
        for part, (cpu, wall) in sorted(measured["parts"].items(), key=lambda item: -item[1][0]):
            print(f"| {part} | {cpu:.2f} | {cpu / measured['cpu']:.1%} | {wall:.1f} |")


def run_map(checkpoint: Path, scene: Path, folder: Path, *options: str, timed: bool = False) -> Usage:
    """Map a scene anew in a process of its own; with `timed` the last line of its output is the time of its parts."""
    output = folder / "map" / f"{scene.stem}.tif"
    arguments = [str(checkpoint), str(scene), "-o", str(output), "--overwrite", "--device", "cpu", *options]
    script = [str(Path(__file__).resolve()), "timed"] if timed else ["-m", "instageo.cli", "map"]
    return run([sys.executable, *script, *arguments], folder)


def time_alone(checkpoint: Path, folder: Path) -> tuple[float, float]:
    """Return the CPU and wall milliseconds of the network alone for a tile."""
    command = [sys.executable, str(Path(__file__).resolve()), "network", str(checkpoint)]
    cpu, wall = json.loads(run(command, folder).output.splitlines()[-1])
    return cpu, wall


def run_former(former: Path, checkpoint: Path, scene: Path, folder: Path) -> Usage:
    """Map a scene with an earlier version."""
    table = folder / "former.csv"
    table.write_text(f"Input\n{scene}\n")
    command = [
        sys.executable, "-m", "instageo.model.run", "mode=chip_inference", f"root_dir={folder}",
        f"test_filepath={table}", f"checkpoint_path={checkpoint}", f"output_dir={folder / 'former'}",
        "accelerator=cpu", "logger=none", f"hydra.run.dir={folder / 'former' / str(time.time_ns())}",
    ]  # fmt: skip
    for path in (folder / "former").glob("*"):
        if path.is_file():
            path.unlink()
    return run(command, folder, former.resolve(), PYTHONPATH=str(former.resolve()))


def memory(folder: Path, sizes: list[int]) -> None:
    """Print the peak of memory for each size."""
    describe_machine()
    print_header()
    for size in sizes:
        scene = make_scene(folder, size)
        used = run_map(make_model(folder, scene), scene, folder)
        made = re.search(r"([\d,]+) tiles", used.output)
        report(
            "sparse" if size >= SPARSE_FROM else "all valid", size, int(made[1].replace(",", "")) if made else 0, used
        )


def main() -> None:
    """Run one of the benchmarks."""
    if sys.argv[1:2] == ["timed"]:
        run_timed(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("network").add_argument("checkpoint")
    for mode, sizes in (("speed", [4096, 10_980]), ("memory", [10_980, 30_000])):
        own = modes.add_parser(mode)
        own.add_argument("folder", type=Path)
        own.add_argument("--sizes", type=int, nargs="+", default=sizes)
        if mode == "speed":
            own.add_argument("--former", type=Path)
            own.add_argument("--former-sizes", type=int, nargs="+", default=[4096])
            own.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.mode == "network":
        time_network(arguments.checkpoint)
        return
    folder = arguments.folder.resolve()
    (folder / "map").mkdir(parents=True, exist_ok=True)
    if arguments.mode == "memory":
        memory(folder, arguments.sizes)
    else:
        speed(folder, arguments.sizes, arguments.former, arguments.former_sizes, arguments.rounds)


if __name__ == "__main__":
    main()
