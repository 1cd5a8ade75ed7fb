"""`run.json`, against numbers computed by hand."""

import json
import subprocess
import sys

import pytest

from instageo.errors import DataError
from instageo.model.context import Run
from instageo.model.inspection.tables import inspect_table
from instageo.model.settings import Settings
from instageo.model.tracking import run_json
from instageo.model.tracking.environment import PACKAGES, RANKS
from instageo.model.tracking.run_json import (
    RunRecorder,
    previous_parts,
    read_run_json,
    sum_parts,
    to_json_value,
    write_json,
)
from tests.unit.inspection.test_tables import chip, run_on
from tests.unit.tracking.conftest import record_run


def test_the_entry_of_a_table_counts_chips_rows_left_out_and_labelled_pixels(tmp_path):
    run = run_on(tmp_path, [chip(tmp_path, "a", label=2), chip(tmp_path, "b", label=7)], on_bad_row="skip")
    inspect_table(run, "train_filepath")
    entry = run.info.tables["train_filepath"]
    assert (entry["path"], entry["chips"], entry["left_out"]) == ("train.csv", 1, 1)
    assert entry["labelled_pixels"] == [0, 0, 6]
    assert run.info.configuration["dataloader"]["band_names"] == ["X"]


def test_the_status_of_a_finished_a_failed_and_an_interrupted_run(tmp_path):  # pitfall 39
    assert record_run(tmp_path)["status"] == "finished"
    failed = record_run(tmp_path, DataError("chip_7.tif: is empty"))
    assert (failed["status"], failed["error"]) == ("failed", "chip_7.tif: is empty")
    assert record_run(tmp_path, KeyError())["error"] == "KeyError"
    assert record_run(tmp_path, KeyboardInterrupt())["status"] == "interrupted"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_command_settings_versions_and_machine_are_recorded_but_no_secrets(tmp_path):
    content = record_run(
        tmp_path, command="instageo 'root_dir=https://me:hunter2@host/a?sig=hunter2'",
        root_dir="s3://me:hunter2@bucket/a", seed=7,
    )  # fmt: skip
    assert "hunter2" not in json.dumps(content)
    assert content["command"] == "instageo 'root_dir=https://host/a'"
    assert content["configuration"]["root_dir"] == "s3://bucket/a"
    assert content["seed"] == 7
    assert content["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(PACKAGES) < set(content["versions"])
    assert content["machine"]["cpu_cores"] >= 1
    assert content["memory"]["process_peak_bytes"] > 20e6
    assert content["energy"]["energy_kwh"] is None
    assert "energy=true" in content["energy"]["reason"]
    assert 0 <= content["wall_seconds"] < 60


def test_only_the_first_of_several_processes_records_and_measures(tmp_path, energy_trackers, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with RunRecorder(Run(Settings(energy=True, energy_country="KEN"), tmp_path), "instageo"):
        pass
    assert "LOCAL_RANK" in RANKS
    assert not (tmp_path / "run.json").exists()
    assert energy_trackers == []


def part(started, **values):
    return {"format": 1, "started": started, "status": "finished", "wall_seconds": 10.0, **values}


def test_parts_of_a_resumed_run_add_up(tmp_path):  # pitfall 32
    first = part("1", status="running", work={"epochs": 3}, energy={"energy_kwh": 1.0, "co2_kg": 0.25}, seed=4)
    earlier = previous_parts(first, "2")
    assert [(entry["started"], entry["status"]) for entry in earlier] == [("1", "killed")]
    assert previous_parts({**first, "started": "2", "earlier_parts": earlier}, "2") == earlier
    second = part("2", work={"epochs": 2}, energy={"energy_kwh": 0.5, "co2_kg": 0.125})
    assert sum_parts([*earlier, second]) == {
        "parts": 2, "wall_seconds": 20.0, "epochs": 5, "energy_kwh": 1.5, "co2_kg": 0.375,
    }  # fmt: skip
    unmeasured = part("3", work={}, energy={"energy_kwh": None, "co2_kg": None})
    assert sum_parts([*earlier, second, unmeasured])["energy_kwh"] is None
    assert sum_parts([*earlier, second, unmeasured])["epochs"] == 5


def test_a_resumed_run_inherits_what_it_has_not_recorded_itself(tmp_path):
    write_json(tmp_path / "run.json", part("1", trackers={"mlflow": {"run": "a"}}, tables={"x": 1}, work={"epochs": 3}))
    run = Run(Settings(), tmp_path / "new")
    run.info.folder, run.info.resumed, run.info.tables = tmp_path, True, {"x": 2}
    with RunRecorder(run, "instageo"):
        run.info.save()
    content = read_run_json(tmp_path / "run.json")
    assert (content["trackers"], content["tables"]) == ({"mlflow": {"run": "a"}}, {"x": 2})
    assert content["total"]["parts"] == 2
    assert [entry["work"] for entry in content["earlier_parts"]] == [{"epochs": 3}]


def test_a_file_of_another_format_is_not_read(tmp_path):
    for content in ("{", "[]", '{"format": 99}'):
        (tmp_path / "run.json").write_text(content)
        assert read_run_json(tmp_path / "run.json") == {}


def test_values_that_json_cannot_hold_become_null_or_text(tmp_path):
    assert to_json_value({1: (float("nan"), float("inf"), 0.5), "a": tmp_path, "b": True}) == {
        "1": [None, None, 0.5], "a": str(tmp_path), "b": True,
    }  # fmt: skip


@pytest.mark.parametrize(("target", "reason"), [("file", "Not a directory"), ("/proc/none", "No such file")])
def test_a_folder_that_cannot_be_written_to_does_not_fail_the_run(tmp_path, caplog, target, reason):
    (tmp_path / "file").touch()
    with RunRecorder(Run(Settings(), tmp_path / target / "run"), "instageo"):
        pass
    assert f"run.json: cannot be written: {reason}" in caplog.text


def test_nothing_slow_is_imported_to_record_a_run():
    code = f"import sys, {run_json.__name__}; print('torch' in sys.modules, 'codecarbon' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["False", "False"]


DAMAGED = {
    "levels": ('{"format": 1, "a": ' + "[" * 100_000, "more than 64 levels"),
    "digits": ('{"format": 1, "a": ' + "9" * 5000 + "}", "more than 400 digits"),
    "size": ('{"format": 1, "a": "' + "x" * 3_000_000 + '"}', "more than 2097152 bytes"),
    "cut": ('{"format": 1, ', "Expecting property name"),
    "a list": ('{"format": 1, "tables": [1]}', "tables has another kind"),
    "a part": ('{"format": 1, "earlier_parts": [3]}', "earlier_parts.0 has another kind"),
    "parts": ('{"format": 1, "earlier_parts": {}}', "earlier_parts is not a list"),
    "a number": ('{"format": 1, "total": {"energy_kwh": "x"}}', "total.energy_kwh has another kind"),
    "a table": ('{"format": 1, "tables": {"valid_filepath": "x"}}', "tables.valid_filepath has another kind"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_sentence_and_ignored(tmp_path, caplog, case):
    text, reason = DAMAGED[case]
    path = tmp_path / "run.json"
    path.write_text(text)
    assert run_json.read_run_json(path) == {}
    [record] = caplog.records
    assert record.getMessage().startswith(f"{path}: is ignored, since it cannot be used")
    assert reason in record.getMessage()
