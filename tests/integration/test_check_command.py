"""`instageo check` reports what tables contain, and which of their rows cannot be used."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from instageo.cli import app
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import write_chips


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that runs `instageo check` in a folder of its own: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments, folder="checked"):
        result = CliRunner().invoke(app, ["check", *map(str, arguments), f"hydra.run.dir={tmp_path / folder}"])
        return result.exit_code, result.stdout, result.stderr

    return call


def printed_lines(out):
    """Return the lines of the printed table: name to values."""
    lines = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in lines}


def test_a_good_table(data, check):
    status, out, _ = check(data / "train.csv")
    assert status == 0
    counts = [0, 0]
    for number in range(4):
        label = read_raster(data / f"labels/label_{number}.tif").values[0]
        label[:4, :4] = 9
        counts = [counts[value] + int((label == value).sum()) for value in (0, 1)]
    lines = printed_lines(out)
    assert lines["chips that can be used"] == ["4"]
    assert lines["left out"] == ["0"]
    assert lines["layers"] == ["6"]
    assert lines["pixels"] == ["32 x 32 (4)"]
    assert lines["valid pixels"] == ["98.4%"]  # 1 - 16 / 1024
    assert [lines["0"], lines["1"]] == [[str(count)] for count in counts]


def test_settings_are_passed_on(tmp_path, check):  # pitfall 14
    data = write_chips(tmp_path / "three", num_dates=3, classes=3)
    status, out, _ = check(data / "train.csv", "model.num_classes=3", "dataloader.temporal_dim=3")
    assert status == 0
    assert printed_lines(out)["layers"] == ["18"]
    status, _, err = check(data / "train.csv", "model.num_classes=3")
    assert status == 1
    assert "has 18 layers, expected 6 (1 date x 6 bands)" in err


def test_a_table_without_labels(data, check):  # pitfall 7
    write_table(data / "new.csv", [{"Input": f"chips/chip_{number}.tif"} for number in range(3)])
    status, out, _ = check(data / "new.csv")
    assert status == 0
    assert printed_lines(out)["chips that can be used"] == ["3"]


def test_unusable_rows_are_an_error_and_listed(data, check, tmp_path):  # pitfalls 18, 39
    path = data / "labels/label_1.tif"
    label = read_raster(path)
    write_raster(path, np.full_like(label.values, 7), label.grid)
    (data / "chips/chip_2.tif").unlink()
    status, out, err = check(data / "train.csv")
    assert status == 1
    assert "2 rows cannot be used" in err
    assert "Traceback" not in err
    assert printed_lines(out)["left out"] == ["2"]
    with open(tmp_path / "checked" / "broken_rows_test.csv", encoding="utf-8", newline="") as file:
        listed = {row["Input"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(file)}
    assert set(listed) == {"chip_1.tif", "chip_2.tif"}
    assert "label values [7] are outside the classes 0..1" in listed["chip_1.tif"]
    assert "no such file" in listed["chip_2.tif"]
    assert check(data / "train.csv", "dataloader.on_bad_row=skip")[0] == 0


@pytest.mark.parametrize("other", ["both.csv", "train.csv"])
def test_chips_that_two_tables_share_are_reported(data, check, other):
    rows = [{"Input": f"chips/chip_{n}.tif", "Label": f"labels/label_{n}.tif"} for n in (3, 4)]
    write_table(data / "both.csv", rows)
    status, out, err = check(data / "train.csv", f"valid_filepath={other}")
    assert status == 0
    assert f"{'1 chip is' if other == 'both.csv' else '4 chips are'} in both {other} and " in err
    assert printed_lines(out)["chips that can be used"] == [str(2 if other == "both.csv" else 4), "4"]


@pytest.mark.parametrize("name", ["with space", "a, b", "tränin=g", "it's", "a$b", "(x) {y}"])
def test_any_table_name_works(tmp_path, check, name):
    data = write_chips(tmp_path / name, count=3)
    (data / "train.csv").rename(data / f"{name}.csv")
    status, out, err = check(f"{name}/{name}.csv")
    assert status == 0, err
    assert printed_lines(out)["chips that can be used"] == ["1"]


def test_paths_may_be_relative_to_root_dir(data, check, tmp_path):
    (tmp_path / "tables").mkdir()
    (data / "train.csv").rename(tmp_path / "tables" / "train.csv")
    assert check("tables/train.csv")[0] == 1
    assert check("tables/train.csv", f"root_dir={data}")[0] == 0


def test_a_missing_table_is_reported(check, tmp_path):
    status, _, err = check("none.csv")
    assert status == 1
    assert "table 'none.csv' does not exist" in err


def test_mode_check_needs_a_table(data, run):
    status, _, err = run("mode=check", f"root_dir={data}")
    assert status == 1
    assert "mode=check needs a table" in err


def test_a_regression_is_checked_without_classes(tmp_path, run):
    data = write_chips(tmp_path / "data")
    for path in (data / "labels").iterdir():
        label = read_raster(path)
        write_raster(path, label.values.astype(np.float32) * 100 + 0.5, label.grid)
    status, out, err = run("mode=check", "is_reg_task=true", f"root_dir={data}", "train_filepath=train.csv")
    assert status == 0, err
    lines = printed_lines(out)
    assert lines["chips that can be used"] == ["4"]
    labels = [read_raster(path) for path in (data / "labels").iterdir()]
    values = np.concatenate([label.values[0][label.valid[0]] for label in labels])
    counted = json.loads((tmp_path / "run" / "run.json").read_text())["tables"]["train_filepath"]["labelled_pixels"]
    assert lines["labels"] == [str(counted[0])]
    assert 0 < counted[0] <= values.size
    assert [lines["lowest label"], lines["highest label"]] == [[f"{values.min():.6g}"], [f"{values.max():.6g}"]]
