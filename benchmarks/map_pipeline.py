"""Time of all of `instageo map` but the network: the same command with a network that costs next to nothing.

python benchmarks/map_pipeline.py run FOLDER [--size 4096] [--compress deflate zstd none] [--threads 1 2] [--rounds 3]

Scenes and a checkpoint are made in FOLDER and kept; see `scenes.py`. In place of the network, means of 8 x 8 pixels of
two bands are the logits, so that the map has patches as real ones do. Threads are those that the process may use: with
one, it is bound to one core. A ground chip is 224 x 224 pixels of the scene.
"""

import argparse
import json
import os
import shlex
import statistics
import sys
from pathlib import Path

from map_parts import run_timed
from scene_files import CHIP, make_model, make_scene
from whole_processes import describe_machine, loop_seconds, run

MEAN_SIDE = 8


def free_network() -> None:
    """Replace the network's forward pass by one that costs next to nothing."""
    import torch.nn.functional as F
    from torch import Tensor

    from instageo.model.networks.segmenter import PrithviSegmenter

    def forward(self: PrithviSegmenter, image: Tensor, *_: object) -> Tensor:  # noqa: ARG001
        pooled = F.avg_pool2d(image[:, 2:4, 0], MEAN_SIDE)
        return pooled.repeat_interleave(MEAN_SIDE, -1).repeat_interleave(MEAN_SIDE, -2)

    PrithviSegmenter.forward = forward  # type: ignore[method-assign]


def run_all(
    folder: Path, size: int, compressions: list[str], threads: list[int], rounds: int, network: str, options: list[str]
) -> None:
    """Print a row for each file and number of threads, and the time of each part of the median run.

    "Loop" is the time from the first strip to the joined map, without start, areas and picture.
    """
    describe_machine()
    print("| file | cores | wall s | CPU s | chips/s | least, most | loop: chips/s | chips per CPU s | GB | quiet s |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    profiles = {}
    chips = size**2 / CHIP**2
    mode = "timed" if network == "free" else "real"
    model = "prithvi_eo_tiny" if network == "free" else network
    for compress in compressions:
        scene = make_scene(folder, size, compress)
        checkpoint, output = make_model(folder, scene, model), folder / "map" / f"{scene.stem}.tif"
        for count in threads:
            cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))
            command = ["taskset", "-c", cores, sys.executable, str(Path(__file__).resolve()), mode]
            arguments = [str(checkpoint), str(scene), "-o", str(output), "--overwrite", "--device", "cpu", *options]
            used = sorted((run(command + arguments, folder) for _ in range(rounds)), key=lambda each: each.wall)
            middle = used[len(used) // 2]
            speeds = [chips / each.wall for each in used]
            measured = [json.loads(each.output.splitlines()[-1]) for each in used]
            loops = [chips / each["parts"]["mapping"][1] for each in measured]
            print(
                f"| {compress} | {count} | {middle.wall:.1f} | {middle.cpu:.1f} | {statistics.median(speeds):.0f} | "
                f"{min(speeds):.0f}, {max(speeds):.0f} | {statistics.median(loops):.0f} | {chips / middle.cpu:.0f} | "
                f"{middle.peak / 1e9:.2f} | "
                f"{loop_seconds():.2f} |",
                flush=True,
            )
            profiles[compress, count] = measured[len(used) // 2]
    for (compress, count), measured in profiles.items():
        print(f"\n{compress}, {count} cores: {measured['cpu']:.1f} CPU s\n")
        print("| part | CPU s of its thread | chips per CPU s | wall s |\n|---|---|---|---|")
        for part, (cpu, wall) in sorted(measured["parts"].items(), key=lambda item: -item[1][0]):
            print(f"| {part} | {cpu:.2f} | {chips / max(cpu, 1e-3):,.0f} | {wall:.2f} |")


def main() -> None:
    """Run the benchmark, or one timed map in this process."""
    if sys.argv[1:2] in (["timed"], ["real"]):
        if sys.argv[1] == "timed":
            free_network()
        run_timed(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own = parser.add_subparsers(dest="mode", required=True).add_parser("run")
    own.add_argument("folder", type=Path)
    own.add_argument("--size", type=int, default=4096)
    own.add_argument("--compress", nargs="+", default=["deflate", "zstd", "none"])
    own.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    own.add_argument("--rounds", type=int, default=3)
    own.add_argument("--network", default="free", help="free, or a value of model.model_name with random weights")
    own.add_argument("--options", default="", help="further options of instageo map")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    (folder / "map").mkdir(parents=True, exist_ok=True)
    options = shlex.split(arguments.options)
    run_all(folder, arguments.size, arguments.compress, arguments.threads, arguments.rounds, arguments.network, options)


if __name__ == "__main__":
    main()
