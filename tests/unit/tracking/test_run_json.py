"""The accounts of a run, against numbers by hand."""

import json
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from instageo.errors import ConfigError, DataError, MissingExtraError
from instageo.model.context import Run
from instageo.model.inspection.fingerprint import fingerprint_table
from instageo.model.inspection.tables import inspect_table
from instageo.model.settings import Settings
from instageo.model.tracking import energy, run_json
from instageo.model.tracking.environment import PACKAGES, RANKS, git_revision, package_versions, peak_memory
from instageo.model.tracking.run_json import (
    RunRecorder,
    previous_parts,
    read_run_json,
    sum_parts,
    to_json_value,
    write_json,
)
from tests.unit.inspection.test_tables import chip, run_on

MEASURED = SimpleNamespace(
    energy_consumed=6.0, cpu_energy=4.0, gpu_energy=0.0, ram_energy=2.0, emissions=0.9, duration=7.0,
    country_iso_code="KEN", codecarbon_version="3.3",
)  # fmt: skip


class Tracker:
    """Stands in for codecarbon: counts what is asked of it."""

    def __init__(self, sums):
        self.sums, self.calls, self._conf = sums, [], {"hardware": ["RAM()", "CPU(Intel RAPL)"]}

    def start(self):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")
        self.sums.out(MEASURED, MEASURED)


@pytest.fixture
def trackers(monkeypatch):
    made = []

    def build(country, sums):
        made.append(Tracker(sums))
        return made[-1]

    monkeypatch.setattr(energy, "build_energy_tracker", build)
    return made


def account(folder, error=None, command="instageo", **settings):
    """What run.json holds after a run that ends with an error."""
    expected = pytest.raises(type(error)) if error else nullcontext()
    with expected, RunRecorder(Run(Settings(**settings), folder), command):
        if error:
            raise error
    return json.loads((folder / "run.json").read_text())


def report(folder, rows, **data):
    return inspect_table(run_on(folder, rows, **data), "train_filepath")


def test_the_same_data_in_another_folder_have_the_same_fingerprint(tmp_path):
    prints = []
    for name in ("one", "two"):
        rows = [chip(tmp_path / name, "a"), chip(tmp_path / name, "b", label=2)]
        prints.append(fingerprint_table(report(tmp_path / name, rows), str(tmp_path / name)))
    assert prints[0] == prints[1]
    assert len(prints[0]) == 64


@pytest.mark.parametrize("change", ["name", "label", "shape", "order", "dates", "size"])
def test_a_fingerprint_notices(tmp_path, change):
    rows = [chip(tmp_path, "a"), chip(tmp_path, "b", label=2)]
    before = fingerprint_table(report(tmp_path, rows), str(tmp_path))
    if change == "name":
        rows[0] = chip(tmp_path, "c")
    elif change == "label":
        rows[0] = chip(tmp_path, "a", label=2)
    elif change == "shape":
        rows[0] = chip(tmp_path, "a", [[[5, 5]]])
    elif change == "order":
        rows.reverse()
    elif change == "dates":
        rows = [{**row, "dates": "2024-03-05"} for row in rows]
    else:
        with open(tmp_path / "a.tif", "ab") as file:
            file.write(b"\0")
    assert fingerprint_table(report(tmp_path, rows), str(tmp_path)) != before


def test_the_notes_of_a_table_count_chips_rows_left_out_and_labelled_pixels(tmp_path):
    run = run_on(tmp_path, [chip(tmp_path, "a", label=2), chip(tmp_path, "b", label=7)], on_bad_row="skip")
    inspect_table(run, "train_filepath")
    noted = run.info.tables["train_filepath"]
    assert (noted["path"], noted["chips"], noted["left_out"]) == ("train.csv", 1, 1)
    assert noted["labelled_pixels"] == [0, 0, 6]
    assert run.info.configuration["dataloader"]["band_names"] == ["X"]


def test_a_run_that_ends_well_a_failed_one_and_one_that_was_interrupted(tmp_path):  # pitfall 39
    assert account(tmp_path)["status"] == "finished"
    failed = account(tmp_path, DataError("chip_7.tif: is empty"))
    assert (failed["status"], failed["error"]) == ("failed", "chip_7.tif: is empty")
    assert account(tmp_path, KeyError())["error"] == "KeyError"
    assert account(tmp_path, KeyboardInterrupt())["status"] == "interrupted"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_accounts_tell_command_settings_versions_and_machine_but_no_secrets(tmp_path):
    told = account(
        tmp_path, command="instageo 'root_dir=https://me:hunter2@host/a?sig=hunter2'",
        root_dir="s3://me:hunter2@bucket/a", seed=7,
    )  # fmt: skip
    assert "hunter2" not in json.dumps(told)
    assert told["command"] == "instageo 'root_dir=https://host/a'"
    assert told["configuration"]["root_dir"] == "s3://bucket/a"
    assert told["seed"] == 7
    assert told["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(PACKAGES) < set(told["versions"])
    assert told["machine"]["cpu_cores"] >= 1
    assert told["memory"]["process_peak_bytes"] > 20e6
    assert told["energy"]["energy_kwh"] is None
    assert "energy=true" in told["energy"]["reason"]
    assert 0 <= told["wall_seconds"] < 60


def test_energy_is_measured_from_one_start_to_one_stop(tmp_path, trackers):  # pitfall 32
    told = account(tmp_path, energy=True, energy_country="KEN")["energy"]
    assert [tracker.calls for tracker in trackers] == [["start", "stop"]]
    assert (told["energy_kwh"], told["cpu_kwh"], told["ram_kwh"], told["co2_kg"]) == (6, 4, 2, 0.9)
    assert told["gpu_kwh"] is None
    assert told["reason"] == "codecarbon finds no gpu to measure"
    assert told["measured_by"] == "codecarbon 3.3: RAM(), CPU(Intel RAPL)"


@pytest.mark.parametrize("error", [DataError("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_energy_is_stopped_once_however_a_run_ends(tmp_path, trackers, error):  # pitfall 32
    told = account(tmp_path, error, energy=True, energy_country="KEN")
    assert [tracker.calls for tracker in trackers] == [["start", "stop"]]
    assert told["energy"]["energy_kwh"] == 6


def test_a_machine_that_cannot_be_measured_is_said_to_be_one():
    assert energy.energy_record(None, [])["energy_kwh"] is None
    assert "could not measure" in energy.energy_record(None, [])["reason"]


def test_of_several_processes_the_first_alone_keeps_accounts(tmp_path, trackers, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with RunRecorder(Run(Settings(energy=True, energy_country="KEN"), tmp_path), "instageo"):
        pass
    assert "LOCAL_RANK" in RANKS
    assert not (tmp_path / "run.json").exists()
    assert trackers == []


def test_energy_needs_codecarbon_and_a_country_it_knows(tmp_path, monkeypatch):  # pitfall 37
    with pytest.raises(ConfigError, match="energy_country=None does not work; expected the three letters"):
        Settings(energy=True)
    with pytest.raises(ConfigError, match="energy_country=Kenya does not work"):
        Settings(energy_country="Kenya")
    with pytest.raises(ConfigError, match="energy_country=QQQ is no country whose electricity codecarbon knows"):
        energy.EnergyMeter("QQQ")
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with (
        pytest.raises(MissingExtraError, match=r"instageo-model\[energy\]"),
        RunRecorder(Run(Settings(energy=True, energy_country="KEN"), tmp_path), "instageo"),
    ):
        raise AssertionError("work must not begin")
    assert read_run_json(tmp_path / "run.json")["status"] == "failed"


def part(started, **values):
    return {"format": 1, "started": started, "status": "finished", "wall_seconds": 10.0, **values}


def test_parts_of_a_resumed_run_add_up(tmp_path):  # pitfall 32
    first = part("1", status="running", work={"epochs": 3}, energy={"energy_kwh": 1.0, "co2_kg": 0.25}, seed=4)
    kept = previous_parts(first, "2")
    assert [(entry["started"], entry["status"]) for entry in kept] == [("1", "killed")]
    assert previous_parts({**first, "started": "2", "earlier_parts": kept}, "2") == kept
    second = part("2", work={"epochs": 2}, energy={"energy_kwh": 0.5, "co2_kg": 0.125})
    assert sum_parts([*kept, second]) == {
        "parts": 2, "wall_seconds": 20.0, "epochs": 5, "energy_kwh": 1.5, "co2_kg": 0.375,
    }  # fmt: skip
    unmeasured = part("3", work={}, energy={"energy_kwh": None, "co2_kg": None})
    assert sum_parts([*kept, second, unmeasured])["energy_kwh"] is None
    assert sum_parts([*kept, second, unmeasured])["epochs"] == 5


def test_a_resumed_run_keeps_what_it_has_not_found_anew(tmp_path):
    write_json(tmp_path / "run.json", part("1", trackers={"mlflow": {"run": "a"}}, tables={"x": 1}, work={"epochs": 3}))
    run = Run(Settings(), tmp_path / "new")
    run.info.folder, run.info.resumed, run.info.tables = tmp_path, True, {"x": 2}
    with RunRecorder(run, "instageo"):
        run.info.keep()
    told = read_run_json(tmp_path / "run.json")
    assert (told["trackers"], told["tables"], told["total"]["parts"]) == ({"mlflow": {"run": "a"}}, {"x": 2}, 2)
    assert [entry["work"] for entry in told["earlier_parts"]] == [{"epochs": 3}]


def test_a_file_of_another_format_is_not_read(tmp_path):
    for content in ("{", "[]", '{"format": 99}'):
        (tmp_path / "run.json").write_text(content)
        assert read_run_json(tmp_path / "run.json") == {}


def test_what_json_cannot_hold_becomes_null_or_text(tmp_path):
    assert to_json_value({1: (float("nan"), float("inf"), 0.5), "a": tmp_path, "b": True}) == {
        "1": [None, None, 0.5], "a": str(tmp_path), "b": True,
    }  # fmt: skip


def test_a_folder_that_cannot_be_written_to_costs_the_accounts_not_the_work(tmp_path, caplog):
    with RunRecorder(Run(Settings(), tmp_path / "none"), "instageo"):
        pass
    assert "run.json cannot be written: No such file or directory" in caplog.text


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_the_revision_of_a_repository_and_whether_it_is_dirty(tmp_path, monkeypatch):
    assert git_revision(tmp_path) is None
    git(tmp_path, "init")
    assert git_revision(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "one")
    clean = git_revision(tmp_path)
    assert len(clean["revision"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "code.py").write_text("2")
    assert git_revision(tmp_path) == {**clean, "dirty": True}
    monkeypatch.setenv("PATH", "")
    assert git_revision(tmp_path) is None


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("instageo.model.tracking.environment.PACKAGES", ("no-such-package", "numpy"))
    assert package_versions()["no-such-package"] is None


def test_peak_memory_follows_what_the_process_takes():
    before = peak_memory()["process_peak_bytes"]
    block = bytearray(300_000_000)
    assert peak_memory()["process_peak_bytes"] >= max(before, len(block))


def test_nothing_slow_is_imported_for_accounts():
    code = f"import sys, {run_json.__name__}; print('torch' in sys.modules, 'codecarbon' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
