"""Measure batch inference in this process and on Ray, in alternation, on this machine.

python benchmarks/batch_inference.py CHECKPOINT ROOT TABLE [--repeat 3]

Prints chips per second from the first finished block of chips to the last, and the seconds until the first.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from instageo.model.commands.chip_inference import READ_AHEAD
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.predictor import predictor_from_settings
from instageo.model.inference.ray_engine import MAX_BLOCK_CHIPS, predict_on_ray
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings.compose import default_settings
from instageo.table import read_table


def measure(outcomes: Iterator[PredictionOutcome]) -> tuple[float, float, float]:
    """Return chips per second after the first block, seconds until then, and seconds in total."""
    start, times = time.perf_counter(), []
    for outcome in outcomes:
        if outcome.error:
            sys.exit(outcome.error)
        times.append(time.perf_counter() - start)
    first = times[MAX_BLOCK_CHIPS - 1]
    return (len(times) - MAX_BLOCK_CHIPS) / (times[-1] - first), first, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    keep_freed_memory()
    settings = replace(default_settings(), checkpoint_path=str(arguments.checkpoint))
    predictor = predictor_from_settings(settings, frozenset())
    rows = read_table(arguments.table, arguments.root, need_label=False)
    fingerprint = model_fingerprint(predictor.settings)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        items = [PredictionItem(row, Path(folder) / f"{number}.tif") for number, row in enumerate(rows)]
        list(predict_items(predictor, items[:8], READ_AHEAD))
        for _ in range(arguments.repeat):
            local = measure(predict_items(predictor, items, READ_AHEAD))
            ray = measure(predict_on_ray(settings, frozenset(), fingerprint, items, READ_AHEAD))
            ratios.append(ray[0] / local[0])
            for name, (rate, first, total) in (("local", local), ("ray", ray)):
                warmup = f"first {MAX_BLOCK_CHIPS} after {first:.1f} s"
                print(f"{name:5} {rate:6.2f} chips/s, {warmup}, all {len(items)} in {total:.1f} s", flush=True)
    print(f"ray / local: median {statistics.median(ratios):.2f}, {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray"))
    print(f"Python {platform.python_version()}, {versions}; {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
