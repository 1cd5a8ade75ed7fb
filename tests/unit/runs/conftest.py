"""Runs that nobody trained, and rows of a report on them."""

from pathlib import Path

import pytest

from instageo.model.runs.rows import NetworkMeasurements, PrimaryMetrics, build_rows, score_spreads
from instageo.model.runs.speed import Latency, NetworkSpeed
from instageo.model.runs.trained_run import TrainedRun
from instageo.model.settings.compose import default_settings, settings_to_dict
from instageo.model.settings.keys import flatten

DEFAULTS = flatten(settings_to_dict(default_settings()))
SEGMENTATION = PrimaryMetrics(("mIoU", "accuracy"), "max")
CHIP = (6, 1, 224, 224)
ENERGY = {"mode": "train", "status": "finished", "total": {"energy_kwh": 2.0, "co2_kg": 0.5, "wall_seconds": 60}}


def make_run(name, seed=1, *, scores=None, metadata=None, file_bytes=1000, **settings):
    """Return a run that nobody trained; `__` in the name of a setting stands for its point."""
    changed = {key.replace("__", "."): value for key, value in settings.items()}
    assert changed.keys() <= DEFAULTS.keys()
    path = Path(name) / "instageo_best_checkpoint.ckpt"
    return TrainedRun(path, DEFAULTS | {"seed": seed} | changed, file_bytes, 900, ("float32",), scores, metadata or {})


def make_distilled(name, seed=1, **more):
    return make_run(name, seed, train__distillation=True, train__teacher_ckpt_path="big", **more)


@pytest.fixture
def groups():
    """A student trained alone, one that was distilled with two seeds, and the teacher."""
    return [
        [make_run("alone", scores={"mIoU": 0.5, "accuracy": 0.8})],
        [
            make_distilled("s1", 1, scores={"mIoU": 0.6, "accuracy": None}, metadata=ENERGY),
            make_distilled(
                "s2", 2, scores={"mIoU": 0.8, "accuracy": 0.9}, metadata=ENERGY | {"total": {"energy_kwh": 4.0}}
            ),
        ],
        [make_run("big", scores={"mIoU": 0.9, "accuracy": 0.95, "f1": 0.1}, metadata=ENERGY)],
    ]


def measurements(flops, parameters=2_500_000):
    """Return a network that takes a millisecond for a GFLOP."""
    milliseconds = flops / 1e9
    speed = NetworkSpeed(Latency(milliseconds / 1e3, milliseconds / 2e3, milliseconds / 5e2), 8e3 / milliseconds)
    return NetworkMeasurements(CHIP, {"forward_flops": flops, "parameters": parameters}, speed)


@pytest.fixture
def rows(groups):
    networks = [measurements(2e9), measurements(2e9), measurements(32e9, 80_000_000)]
    scores = [score_spreads(group, [run.scores for run in group], SEGMENTATION) for group in groups]
    return build_rows(groups, ["A", "D|", "T"], networks, scores, teacher=2)
