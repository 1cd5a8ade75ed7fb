"""Chips per second of networks by backend, precision, tile and number of threads: python benchmarks/fast.py."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
import torch
from scene_files import CHIP, LEVELS, make_scene

import instageo

NETWORKS = {
    "prithvi_eo_v2_tiny_tl, light": ("prithvi_eo_v2_tiny_tl", "light"),
    "prithvi_eo_v1_100, light": ("prithvi_eo_v1_100", "light"),
    "conv_small": ("conv_small", None),
    "conv_micro": ("conv_micro", None),
    "conv_nano": ("conv_nano", None),
}


def save_random(name: str, head: str | None, folder: Path) -> None:
    """Save a network with random weights, which takes the chips of a synthetic scene."""
    scene = make_scene(folder, CHIP)
    with rasterio.open(scene) as file:
        profile, bright = file.profile | {"count": 1}, file.read(4) > LEVELS[3]
    with rasterio.open(folder / "label.tif", "w", **profile) as file:
        file.write(bright.astype(np.int16), 1)
    (folder / "chips.csv").write_text(f"Input,Label\n{scene.name},label.tif\n")
    torch.manual_seed(1)
    net = instageo.build_network(name, num_classes=2, **({"head": head} if head else {}))
    instageo.save_model(net, folder / "model", data=instageo.ChipDataset(folder / "chips.csv", statistics="auto"))


def main() -> None:
    """Measure each network, and print rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", default="3")
    parser.add_argument("--threads", nargs="*", default=["1", "2"])
    parser.add_argument("--tiles", nargs="*", default=["224"])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    speeds = "network, chips/s", "map, chips/s", "reading, network, writing", "as PyTorch"
    columns = "network", "tile", "threads", "backend", *speeds
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for title in arguments.networks:
        name, head = NETWORKS[title]
        with tempfile.TemporaryDirectory() as folder:
            try:
                save_random(name, head, Path(folder))
            except instageo.InstaGeoError as error:
                print(f"{title}: {error}", file=sys.stderr)
                continue
            for tile, threads in product(arguments.tiles, arguments.threads):
                measure(title, Path(folder) / "model", tile, threads, arguments.seconds)


def measure(title: str, model: Path, tile: str, threads: str, seconds: str) -> None:
    """Print the rows of one network."""
    path = model / "bench.json"
    options = ["--tile", tile, "--threads", threads, "--seconds", seconds, "--json", str(path), "--device", "cpu"]
    program = "import sys; from instageo.cli import main; main()"
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, "bench", str(model), *options],
        check=True,
        env=environment,
        stdout=sys.stderr,
    )
    found = json.loads(path.read_text())
    for each in found["backends"]:
        shares = ", ".join(f"{share:.0%}" for share in each["shares"].values())
        name = f"{each['backend']} {each['precision']}"
        speeds = f"{each['network']:.1f} | {each['total']:.1f}"
        print(f"| {title} | {tile} | {threads} | {name} | {speeds} | {shares} | {each['agreement']:.2%} |", flush=True)


if __name__ == "__main__":
    main()
