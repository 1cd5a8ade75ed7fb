"""A stand-in for codecarbon, and runs that are recorded."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from instageo.model.context import Run
from instageo.model.settings import Settings
from instageo.model.tracking import energy
from instageo.model.tracking.run_json import RunRecorder

MEASURED = SimpleNamespace(
    energy_consumed=6.0, cpu_energy=4.0, gpu_energy=0.0, ram_energy=2.0, emissions=0.9, duration=7.0,
    country_iso_code="KEN", codecarbon_version="3.3",
)  # fmt: skip


class FakeEnergyTracker:
    """Stands in for codecarbon's tracker: records the calls, and reports fixed sums at the end."""

    def __init__(self, sums):
        self.sums, self.calls, self._conf = sums, [], {"hardware": ["RAM()", "CPU(Intel RAPL)"]}

    def start(self):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")
        self.sums.out(MEASURED, MEASURED)


@pytest.fixture
def energy_trackers(monkeypatch):
    """The trackers that were built instead of codecarbon's."""
    built = []

    def build(country, sums):
        built.append(FakeEnergyTracker(sums))
        return built[-1]

    monkeypatch.setattr(energy, "build_energy_tracker", build)
    return built


def record_run(folder, error=None, command="instageo", **settings):
    """Return the run.json of a run that ends with an error, or without one."""
    expected = pytest.raises(type(error)) if error else nullcontext()
    with expected, RunRecorder(Run(Settings(**settings), folder), command):
        if error:
            raise error
    return json.loads((folder / "run.json").read_text())
