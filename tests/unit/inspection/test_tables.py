"""Tables as the settings describe them: lists of broken rows, unusual names, partly labelled tables."""

import csv
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from instageo.errors import DataError, TableError
from instageo.model.commands.check_tables import check_tables
from instageo.model.context import Run
from instageo.model.dataset.from_settings import chip_reader_from_settings
from instageo.model.inspection.leakage import compare_tables
from instageo.model.inspection.tables import inspect_table, repeated_chips
from instageo.model.settings import CacheKind, DataSettings, Mode, ModelSettings, Settings
from instageo.model.settings.derived import cache_dir
from instageo.table import write_table
from tests.tiffs import write_tiff

ONE = np.full((1, 2, 3), 5, np.int16)


def chip(folder, name, values=ONE, label=1):
    """Write a chip and its label, and return the row of the table."""
    row = {"Input": f"{name}.tif", "Label": "" if label is None else f"{name} label.tif"}
    write_tiff(folder / row["Input"], np.asarray(values, np.int16))
    if label is not None:
        write_tiff(folder / row["Label"], np.full((1, *np.shape(values)[1:]), label, np.uint8))
    return row


def run_on(folder, rows, *, name="train.csv", root=None, mode=Mode.train, **data):
    write_table(folder / name, rows)
    settings = Settings(
        root_dir=str(root or folder),
        train_filepath=name,
        mode=mode,
        model=ModelSettings(num_classes=3),
        dataloader=DataSettings(band_names=["X"], **data),
    )
    return Run(settings, folder / "run")


def test_unusable_rows_are_listed_with_their_reasons(tmp_path):  # pitfalls 18, 39
    rows = [chip(tmp_path, "good"), chip(tmp_path, "größer, 7", label=7), {"Input": "none.tif", "Label": "no label"}]
    run = run_on(tmp_path, rows, on_bad_row="skip")
    report = inspect_table(run, "train_filepath")
    assert [row.name for row in report.rows] == ["good.tif"]
    with open(run.folder / "broken_rows_train.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [Path(row["Input"]).name for row in listed] == ["größer, 7.tif", "none.tif"]
    assert [Path(row["Label"]).name for row in listed] == ["größer, 7 label.tif", "no label"]
    assert "label values [7] are outside the classes 0..2" in listed[0]["reason"]
    assert "no such file" in listed[1]["reason"]


def test_the_list_is_written_before_the_error_is_raised(tmp_path):  # pitfall 39
    run = run_on(tmp_path, [chip(tmp_path, "good"), chip(tmp_path, "bad", label=7)])
    with pytest.raises(DataError, match="1 of 2 rows cannot be used"):
        inspect_table(run, "train_filepath")
    assert len((run.folder / "broken_rows_train.csv").read_text().splitlines()) == 2


def test_good_tables_leave_no_list(tmp_path):
    run = run_on(tmp_path, [chip(tmp_path, "good")])
    inspect_table(run, "train_filepath")
    assert not run.folder.exists()


@pytest.mark.parametrize(
    "name", ["with space", "comma, name", "Ärger/ünï/東京", "quote'd", "per%cent#hash", "a|b", "-dash"]
)
def test_any_file_name_works(tmp_path, name):
    run = run_on(tmp_path, [chip(tmp_path, name), chip(tmp_path, "other")], cache=CacheKind.disk)
    for _ in range(2):  # the second time from the cache
        report = inspect_table(run, "train_filepath")
        assert report.class_counts == [0, 12, 0]
    assert chip_reader_from_settings(run.settings, report).read(0).image.mean() == 5


def test_a_relative_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    run = run_on(Path("data"), [chip(Path("data"), "chip")], root="data")
    first = inspect_table(run, "train_filepath")
    again = inspect_table(run, "train_filepath")
    assert first == again
    assert chip_reader_from_settings(run.settings, first).read(0).label.unique().tolist() == [1]


def test_the_same_relative_root_in_another_folder_is_inspected_again(tmp_path, monkeypatch):
    """Copies with the same modification time."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "data").mkdir(parents=True)
        run = run_on(folder / "data", [chip(folder / "data", "chip", label=number)], root="data")
        for path in (folder / "data").glob("*.tif"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        monkeypatch.chdir(folder)
        assert inspect_table(run, "train_filepath").class_counts == [0, 6 * (number == 1), 6 * (number == 2)]


def test_a_folder_behind_a_symbolic_link(tmp_path):
    (tmp_path / "real").mkdir()
    rows = [chip(tmp_path / "real", "chip")]
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run = run_on(tmp_path / "real", rows, root=tmp_path / "link")
    assert inspect_table(run, "train_filepath").class_counts == [0, 6, 0]
    assert inspect_table(run, "train_filepath").rows[0].input == str(tmp_path / "link" / "chip.tif")


def test_a_chip_that_is_listed_twice_counts_twice(tmp_path):
    row = chip(tmp_path, "chip")
    report = inspect_table(run_on(tmp_path, [row, row, chip(tmp_path, "other", label=2)]), "train_filepath")
    assert report.class_counts == [0, 12, 6]
    reader = chip_reader_from_settings(run_on(tmp_path, [row, row], cache=CacheKind.memory).settings, report)
    assert [int(reader.read(index).label[0, 0]) for index in range(3)] == [1, 1, 2]


def test_one_pixel_is_a_chip(tmp_path):  # pitfall 16
    report = inspect_table(run_on(tmp_path, [chip(tmp_path, "dot", [[[3]]])]), "train_filepath", values=True)
    moments = report.band_moments
    assert (moments.count, moments.mean.tolist(), moments.std.tolist()) == (1, [3], [0])
    assert report.max_shape == (1, 1)


def test_chips_in_both_tables_are_found(tmp_path):
    one, two, three = (chip(tmp_path, name) for name in "abc")
    first = inspect_table(run_on(tmp_path, [one, two, two]), "train_filepath")
    second = inspect_table(run_on(tmp_path, [three, {**two, "Label": one["Label"]}]), "train_filepath")
    assert compare_tables(first, second).chips == (str(tmp_path / "b.tif"),)
    assert compare_tables(second, inspect_table(run_on(tmp_path, [one]), "train_filepath")).chips == ()


@pytest.mark.parametrize("unlabelled", [0, 1, 2])
def test_a_partly_labelled_table_is_counted_where_it_is_labelled(tmp_path, unlabelled):  # pitfall 7
    rows = [chip(tmp_path, str(number), label=None if number == unlabelled else 1) for number in range(3)]
    run = run_on(tmp_path, rows, mode=Mode.check)
    report = inspect_table(run, "train_filepath", labelled=None)
    assert len(report.rows) == 3
    assert report.class_counts == [0, 12, 0]


@pytest.mark.parametrize("unlabelled", [0, 1, 2])
def test_check_counts_all_of_a_partly_labelled_table_and_refuses_it(tmp_path, unlabelled, capsys):  # pitfall 7
    rows = [chip(tmp_path, str(number), label=None if number == unlabelled else 1) for number in range(3)]
    words = rf"^train\.csv: 1 row has no label \({unlabelled}\.tif\); training and scoring need one in each row"
    with pytest.raises(DataError, match=words):
        check_tables(run_on(tmp_path, rows, mode=Mode.check))
    lines = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    shown = {name.strip(): value.strip() for name, value in lines}
    assert shown["chips that can be used"] == "3"
    assert (shown["without label"], shown["repeated"]) == ("1", "0")
    assert (shown["0"], shown["1"], shown["2"]) == ("0", "12", "0")


def test_training_needs_every_label(tmp_path):
    rows = [chip(tmp_path, "a"), chip(tmp_path, "b", label=None)]
    with pytest.raises(TableError, match=r"row 2 \(b\.tif\) has no value in column 'Label'"):
        inspect_table(run_on(tmp_path, rows), "train_filepath")


def test_of_a_table_without_labels_only_headers_are_read(tmp_path):  # pitfalls 6, 7
    rows = [chip(tmp_path, "a", label=None), chip(tmp_path, "b", np.full((1, 2, 3), -9999), label=None)]
    report = inspect_table(run_on(tmp_path, rows, mode=Mode.chip_inference), "train_filepath", labelled=False)
    assert [stats.valid_pixels for stats in report.row_stats] == [None, None]


@pytest.mark.parametrize(
    ("setting", "variables", "expected"),
    [
        ("/a", {"INSTAGEO_CACHE": "/b"}, "/a"),
        (None, {"INSTAGEO_CACHE": "/b", "XDG_CACHE_HOME": "/c"}, "/b"),
        (None, {"XDG_CACHE_HOME": "/c"}, "/c/instageo"),
        (None, {"HOME": "/home/me"}, "/home/me/.cache/instageo"),
        ("~/x", {"HOME": "/home/me"}, "/home/me/x"),
    ],
)
def test_location_of_the_cache_folder(monkeypatch, setting, variables, expected):
    for name in ("INSTAGEO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir(Settings(dataloader=DataSettings(cache_dir=setting))) == Path(expected)


def test_check_reports_shared_and_unusable_rows(tmp_path, caplog):  # pitfalls 38, 39
    good, bad = chip(tmp_path, "good"), chip(tmp_path, "bad", label=7)
    run = run_on(tmp_path, [good, bad], mode=Mode.check)
    run.settings.valid_filepath = "train.csv"
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(DataError, match=r"2 rows cannot be used; broken_rows_\*\.csv"),
    ):
        check_tables(run)
    assert "1 chip is in both train.csv and train.csv" in caplog.text


def test_a_repeated_chip_is_told_however_its_path_is_written(tmp_path, caplog):
    rows = [chip(tmp_path, name, label=1) for name in ("a", "b")]
    again = {**rows[0], "Input": f"../{tmp_path.name}/a.tif"}
    run = run_on(tmp_path, [*rows, again])
    report = inspect_table(run, "train_filepath")
    assert f"train.csv: 1 chip is listed more than once: {tmp_path}/a.tif" in caplog.text
    assert compare_tables(report, report).chips == (f"{tmp_path}/a.tif", f"{tmp_path}/b.tif")
    assert repeated_chips(report.rows) == [f"{tmp_path}/a.tif"]
