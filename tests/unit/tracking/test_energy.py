"""Energy of a run: measured once from start to end, and None with a reason if it is not."""

import sys

import pytest

from instageo.errors import ConfigError, DataError, MissingExtraError
from instageo.model.context import Run
from instageo.model.settings import Settings
from instageo.model.tracking.energy import EnergyMeter, summarize_energy
from instageo.model.tracking.run_json import RunRecorder, read_run_json
from tests.unit.tracking.conftest import record_run


def test_energy_is_measured_from_one_start_to_one_stop(tmp_path, energy_trackers):  # pitfall 32
    energy = record_run(tmp_path, energy=True, energy_country="KEN")["energy"]
    assert [tracker.calls for tracker in energy_trackers] == [["start", "stop"]]
    assert (energy["energy_kwh"], energy["cpu_kwh"], energy["ram_kwh"], energy["co2_kg"]) == (6, 4, 2, 0.9)
    assert energy["gpu_kwh"] is None
    assert energy["reason"] == "codecarbon finds no gpu to measure"
    assert energy["measured_by"] == "codecarbon 3.3: RAM(), CPU(Intel RAPL)"


@pytest.mark.parametrize("error", [DataError("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_the_meter_is_stopped_once_however_a_run_ends(tmp_path, energy_trackers, error):  # pitfall 32
    content = record_run(tmp_path, error, energy=True, energy_country="KEN")
    assert [tracker.calls for tracker in energy_trackers] == [["start", "stop"]]
    assert content["energy"]["energy_kwh"] == 6


def test_a_machine_that_cannot_be_measured_gets_a_reason():
    assert summarize_energy(None, [])["energy_kwh"] is None
    assert "could not measure" in summarize_energy(None, [])["reason"]


def test_energy_needs_codecarbon_and_a_country_it_has_data_on(tmp_path, monkeypatch):  # pitfall 37
    with pytest.raises(ConfigError, match="energy_country=None does not work; expected the three letters"):
        Settings(energy=True)
    with pytest.raises(ConfigError, match="energy_country=Kenya does not work"):
        Settings(energy_country="Kenya")
    with pytest.raises(ConfigError, match="energy_country=QQQ is not a country whose electricity mix codecarbon has"):
        EnergyMeter("QQQ")
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with (
        pytest.raises(MissingExtraError, match=r"energy=true needs .*instageo-model\[energy\]"),
        RunRecorder(Run(Settings(energy=True, energy_country="KEN"), tmp_path), "instageo"),
    ):
        raise AssertionError("work must not begin")
    assert read_run_json(tmp_path / "run.json")["status"] == "failed"
