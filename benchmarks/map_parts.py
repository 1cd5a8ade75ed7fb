"""The time of the parts of `instageo map`, and of the network alone."""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

TILE = 224

PARTS = {
    "reading": ("instageo.raster.scenes.scene_rows:SceneRows.read",),
    "cutting": ("instageo.model.scenes.tiles:TileRows.batch", "instageo.model.scenes.tiles:TileRows.valid"),
    "network": ("instageo.model.mapping.map_pieces:_PieceMaker._predict",),
    "blending": (
        "instageo.model.inference.blending:RollingSum.add",
        "instageo.model.inference.blending:RollingSum.pop",
    ),
    "writing": (
        "instageo.model.mapping.piece_writer:PieceWriter._write",
        "instageo.model.mapping.prepared_map:join_pieces",
    ),
    "areas and picture": ("instageo.model.map_jobs.map_scenes:write_products",),
    "waiting for reader": ("instageo.model.scenes.tiles:TileRows.read_until",),
    "waiting for writer": ("instageo.model.mapping.piece_writer:PieceWriter._wait",),
    "mapping": ("instageo.model.mapping.map_scene:map_pieces",),
}
"""Functions whose time is added up."""


def time_parts() -> dict[str, list[float]]:
    """Wrap the functions of `PARTS`, whose modules are imported, and return where their CPU and wall seconds go."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    lock = threading.Lock()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return function(*values, **named)
            finally:
                with lock:
                    spent[name][0] += time.thread_time() - cpu
                    spent[name][1] += time.perf_counter() - wall

        return call

    for name, places in PARTS.items():
        for place in places:
            module, _, path = place.partition(":")
            holder: Any = sys.modules[module]
            *parents, last = path.split(".")
            for parent in parents:
                holder = getattr(holder, parent)
            setattr(holder, last, timed(name, getattr(holder, last)))
    return spent


def run_timed(arguments: list[str]) -> None:
    """Run `instageo map` in this process, and print the CPU and wall seconds of its parts as the last line."""
    begun = time.process_time()
    import instageo.model.map_jobs.map_scenes  # noqa: F401
    from instageo.area_maps.map_command import map_command  # noqa: F401

    spent = time_parts()
    spent["imports"] = [time.process_time() - begun, 0.0]
    from instageo.cli import app

    start = time.perf_counter()
    app(["map", *arguments], standalone_mode=False)
    print(json.dumps({"parts": spent, "cpu": time.process_time(), "wall": time.perf_counter() - start}))


def time_network(checkpoint: str) -> None:
    """Print the CPU and wall milliseconds that the network alone takes for a tile, in batches as when mapping."""
    from instageo import load_model
    from instageo.model.chips.sample import Sample
    from instageo.model.networks.memory import keep_freed_memory

    keep_freed_memory()
    model, size = load_model(checkpoint, device="cpu"), 8
    batch = Sample(torch.rand(size, 6, 1, TILE, TILE) * 3000, torch.ones(size, 1, TILE, TILE, dtype=torch.bool))
    times = []
    with torch.inference_mode():
        for _ in range(12):
            cpu, wall = time.process_time(), time.perf_counter()
            model.forward(batch)
            times.append(((time.process_time() - cpu) / size * 1000, (time.perf_counter() - wall) / size * 1000))
    print(json.dumps([float(np.median(values)) for values in zip(*times[2:], strict=True)]))
