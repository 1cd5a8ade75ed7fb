"""Prediction of many chips in this process and on Ray, in turn, on this machine.

python benchmarks/bulk.py CHECKPOINT ROOT TABLE [--repeat 3]

Prints chips per second from the first portion of chips that has come back to the last, and seconds until then.
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

from instageo.model.commands.chip_inference import AHEAD
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items
from instageo.model.inference.journal import model_fingerprint
from instageo.model.inference.predictor import predictor_from_settings
from instageo.model.inference.ray_engine import BATCH_CHIPS, predict_on_ray
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings.compose import default_config, settings_from_config
from instageo.table import read_table


def pace(outcomes: Iterator[PredictionOutcome]) -> tuple[float, float, float]:
    """Chips per second after the first portion, seconds until that, and seconds in all."""
    began, times = time.perf_counter(), []
    for outcome in outcomes:
        if outcome.error:
            sys.exit(outcome.error)
        times.append(time.perf_counter() - began)
    first = times[BATCH_CHIPS - 1]
    return (len(times) - BATCH_CHIPS) / (times[-1] - first), first, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    keep_freed_memory()
    settings = replace(settings_from_config(default_config()), checkpoint_path=str(asked.checkpoint))
    predictor = predictor_from_settings(settings, frozenset())
    rows, mark = read_table(asked.table, asked.root, need_label=False), model_fingerprint(predictor.settings)
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        items = [PredictionItem(row, Path(folder) / f"{number}.tif") for number, row in enumerate(rows)]
        list(predict_items(predictor, items[:8], AHEAD))
        for _ in range(asked.repeat):
            here = pace(predict_items(predictor, items, AHEAD))
            ray = pace(predict_on_ray(settings, frozenset(), mark, items, AHEAD))
            shares.append(ray[0] / here[0])
            for name, (rate, first, total) in (("here", here), ("ray", ray)):
                begun = f"first {BATCH_CHIPS} after {first:.1f} s"
                print(f"{name:5} {rate:6.2f} chips/s, {begun}, all {len(items)} in {total:.1f} s", flush=True)
    print(f"ray / here: median {statistics.median(shares):.2f}, {', '.join(f'{share:.2f}' for share in shares)}")
    told = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray"))
    print(f"Python {platform.python_version()}, {told}; {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
