"""A check is remembered: files that have not changed are not opened again, and nothing stale is believed."""

import json
import logging
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.errors import RasterError
from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.inspection import report, row_stats
from instageo.model.inspection import row as inspection_row
from instageo.model.inspection.report import inspect_rows
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.inspection.row_stats import FORMAT, RowStats, StatsCache, TransientError
from instageo.model.inspection.statistics import compute_moments
from instageo.table import Row

LOOK = InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3), 1)
ONES = np.ones((2, 3), np.uint8)


@pytest.fixture
def rows(make_raster):
    """Four rows of 2 x 3 pixels; the last one's label has a value outside the classes."""
    made = []
    for number in range(4):
        chip = make_raster(f"{number}/chip.tif", np.full((2, 3), number + 1, np.int16))
        label = make_raster(f"{number}/label.tif", ONES * (9 if number == 3 else 1))
        made.append(Row(f"{number}/chip.tif", str(chip), str(label)))
    return made


@pytest.fixture
def known(tmp_path):
    """Function that reads the file that remembers, as each run does anew."""
    return lambda: StatsCache(tmp_path / "checks" / "one.json")


@pytest.fixture
def opened(monkeypatch):
    """Names of the chips that were looked at."""
    names = []

    def counted(row, wanted):
        names.append(row.name)
        return inspect_row(row, wanted)

    monkeypatch.setattr(report, "inspect_row", counted)
    return names


def test_rows_that_have_not_changed_are_not_opened_again(rows, known, opened):  # pitfall 38
    first = inspect_rows("t", rows, LOOK, known())
    assert sorted(opened) == [row.name for row in rows]
    opened.clear()
    assert inspect_rows("t", rows, LOOK, known()) == first
    assert opened == []


def test_not_even_their_headers(rows, known, monkeypatch):  # pitfall 38
    first = inspect_rows("t", rows, LOOK, known())
    for row in rows:  # content of which nothing can be read, of the same size and time
        for path in (row.input, row.label):
            before = Path(path).stat()
            with open(path, "r+b") as file:
                file.write(b"\0" * before.st_size)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert inspect_rows("t", rows, LOOK, known()) == first
    assert all("cannot be read" in found for found in inspect_rows("t", rows, LOOK))


def test_processes_find_what_threads_find(rows, known, monkeypatch):  # pitfall 38
    rows = [*rows, Row("gone.tif", "gone.tif", rows[0].label)]
    with_values = replace(LOOK, values=True)
    few = inspect_rows("t", rows, with_values)
    monkeypatch.setattr(report, "MIN_ROWS_FOR_PROCESSES", len(rows))
    many = inspect_rows("t", rows, with_values, known())
    plain = [[found if isinstance(found, str) else found.to_plain() for found in each] for each in (few, many)]
    assert plain[0] == plain[1]
    assert [type(found) for found in many] == [RowStats] * 3 + [str, TransientError]
    assert known().get(rows[4], "") is None  # a reason that may pass is not remembered


def test_processes_are_for_many_local_files_alone(rows, monkeypatch):
    store = Row("a.tif", "https://example.org/a.tif", None)
    monkeypatch.setattr(report, "map_threads", lambda *_: "threads")
    monkeypatch.setattr(report, "map_processes", lambda *_: "processes")
    asked = (rows, rows * 200, [*rows * 200, store])
    assert [report._look_at_all(each, LOOK) for each in asked] == ["threads", "processes", "threads"]


@pytest.mark.parametrize("part", ["input", "label"])
def test_a_changed_file_is_looked_at_again(rows, known, opened, make_raster, part):
    inspect_rows("t", rows, LOOK, known())
    opened.clear()
    path = getattr(rows[1], part)
    make_raster(path, np.full((2, 3), 2, np.int16 if part == "input" else np.uint8))
    os.utime(path, (1, 1))
    found = inspect_rows("t", rows, LOOK, known())
    assert opened == ["1/chip.tif"]
    assert found[1].class_counts == ((0, 6, 0) if part == "input" else (0, 0, 6))


def test_a_file_that_has_gone_is_missed(rows, known):  # pitfall 39
    inspect_rows("t", rows, LOOK, known())
    Path(rows[0].input).unlink()
    assert "no such file" in inspect_rows("t", rows, LOOK, known())[0]


def test_a_file_that_is_back_is_used(rows, known, make_raster):
    away = Path(rows[0].input).rename(f"{rows[0].input}.away")
    assert "no such file" in inspect_rows("t", rows, LOOK, known())[0]
    away.rename(rows[0].input)
    assert inspect_rows("t", rows, LOOK, known())[0].class_counts == (0, 6, 0)


def test_rows_that_cannot_be_used_are_remembered_with_their_reason(rows, known, opened):  # pitfalls 18, 39
    reason = inspect_rows("t", rows, LOOK, known())[3]
    assert "label values [9] are outside the classes 0..2" in reason
    opened.clear()
    assert inspect_rows("t", rows, LOOK, known())[3] == reason
    assert opened == []


def test_a_file_that_could_not_be_opened_is_tried_again(rows, known, opened, monkeypatch):
    """Permissions, stores and networks mend without a change of the file."""

    def refused(row, wanted):
        raise RasterError(f"{row.input}: cannot be read as a raster (Permission denied)")

    with monkeypatch.context() as patch:
        patch.setattr(report, "inspect_row", refused)
        assert all("denied" in found for found in inspect_rows("t", rows[:2], LOOK, known()))
    assert [found.class_counts for found in inspect_rows("t", rows[:2], LOOK, known())] == [(0, 6, 0)] * 2


def test_moments_are_looked_for_when_they_are_wanted(rows, known, opened):
    wanted = InspectionSpec(LOOK.chips, LOOK.labels, LOOK.bands, values=True)
    assert inspect_rows("t", rows, LOOK, known())[0].values is None
    opened.clear()
    found = inspect_rows("t", rows, wanted, known())
    assert opened == ["0/chip.tif", "1/chip.tif", "2/chip.tif"]  # the broken one is broken
    assert [fact.values.mean.tolist() for fact in found[:3]] == [[1], [2], [3]]
    opened.clear()
    assert inspect_rows("t", rows, LOOK, known())[0].values is not None  # more than wanted is good enough
    assert opened == []


def test_new_and_left_out_rows(rows, known, opened):
    inspect_rows("t", rows[:2], LOOK, known())
    opened.clear()
    inspect_rows("t", rows[1:3], LOOK, known())
    assert opened == ["2/chip.tif"]
    content = json.loads(known().path.read_text())
    assert len(content["rows"]) == 2


def test_the_same_label_for_another_chip_or_date_is_another_row(rows, known):
    one = rows[0]
    dated = Row(one.name, one.input, one.label, (date(2024, 2, 29),), (10.5, -20.25))
    found = inspect_rows("t", [one, dated, Row(one.name, one.input, None)], LOOK, known())
    again = inspect_rows("t", [one, dated, Row(one.name, one.input, None)], LOOK, known())
    assert found == again
    assert found[1].temporal_coords == ((2024, 60),)
    assert found[1].location_coords == (10.5, -20.25)
    assert found[2].class_counts == ()


WAYS = [
    InspectionSpec(ChipFormat(no_data_value=0), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999, multiplier=0.1), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999, offset=1), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999, limit=1), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999, bands=(0,)), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(2, no_data_value=-9999), LabelFormat(3), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(4), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, 2), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, -1, True), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, -1, False, (1, 2)), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), TargetFormat(), 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), None, 1),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3), 2),
]


def test_another_way_of_reading_is_remembered_apart(tmp_path):
    files = [StatsCache.of(tmp_path, "train.csv", "/data", way.ways).path for way in (LOOK, *WAYS)]
    assert len(set(files)) == len(files)
    assert StatsCache.of(tmp_path, "train.csv", "/data", LOOK.ways).path == files[0]
    assert StatsCache.of(tmp_path, "train.csv", "/other", LOOK.ways).path != files[0]


def test_all_that_is_known_survives_the_file(tmp_path, known):
    values = np.array([[1.1, -2.2, 1e-17], [3.3, 1e9, 0]])
    full = RowStats(
        12, 5, 7, "float32", ((2020.0, 366.0), (2021.0, 1.0)), (1.5, -179.9), 35, (3, 0, 2**40),
        compute_moments(values, np.array([True, True, False])), compute_moments(values[:1], np.zeros(3, bool)),
    )  # fmt: skip
    rows = [Row("a", "a", "b"), Row("b", "b", None), Row("c", "c", "c")]
    known().keep(rows, ["1", "2", None], [full, "broken", full])
    again = known()
    found = again.get(rows[0], "1")
    for name in ("values", "target"):
        for part, value in vars(getattr(full, name)).items():
            assert_array_equal(getattr(getattr(found, name), part), value)  # to the last bit
    assert {**vars(found), "values": 0, "target": 0} == {**vars(full), "values": 0, "target": 0}
    assert again.get(rows[1], "2") == "broken"
    assert again.get(rows[0], "other") is None
    assert again.get(rows[2], "3") is None  # without a stamp nothing can be believed later


def test_a_file_that_holds_all_is_not_written_again(rows, known):
    dated = [Row(row.name, row.input, row.label, (date(2024, 1, 2),)) for row in rows]
    inspect_rows("t", dated, LOOK, known())
    before = known().path.stat()
    inspect_rows("t", dated, LOOK, known())
    assert known().path.stat().st_ino == before.st_ino


STRANGE = [
    "", "{", "null", "[]", "7", '"text"', "{}", json.dumps({"format": FORMAT}),
    json.dumps({"format": FORMAT, "rows": 5}),
    json.dumps({"format": FORMAT, "rows": [1, 2]}), json.dumps({"format": FORMAT, "rows": None}),
    json.dumps({"format": FORMAT + 1, "rows": {}}), json.dumps({"rows": {}}), "\udcff\udcfe",
]  # fmt: skip


@pytest.mark.parametrize("content", STRANGE)
def test_a_damaged_or_foreign_file_is_left_alone_and_replaced(rows, known, opened, content):
    path = known().path
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    found = inspect_rows("t", rows, LOOK, known())
    assert found[0].class_counts == (0, 6, 0)
    assert len(opened) == 4
    inspect_rows("t", rows, LOOK, known())
    assert len(opened) == 4


def test_half_a_file_is_never_seen(rows, known, tmp_path):
    inspect_rows("t", rows, LOOK, known())
    assert [path.name for path in (tmp_path / "checks").iterdir()] == ["one.json"]


def test_a_folder_that_cannot_be_written_to_is_told_of_and_left(rows, tmp_path, caplog, opened):  # pitfall 39
    (tmp_path / "file").touch()
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            found = inspect_rows("t", rows, LOOK, StatsCache(tmp_path / "file" / "one.json"))
        assert found[0].class_counts == (0, 6, 0)
        [warning] = caplog.messages
        assert "cannot be remembered" in warning
        assert str(tmp_path / "file") in warning
    assert len(opened) == 8


def test_a_full_disk_is_told_of_and_leaves_nothing(rows, known, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(row_stats.os, "replace", full)
    assert inspect_rows("t", rows, LOOK, known())[0].class_counts == (0, 6, 0)
    [warning] = caplog.messages
    assert "No space left" in warning
    assert str(known().path.parent) in warning
    assert list(known().path.parent.iterdir()) == []


def test_ten_thousand_rows_from_memory_open_no_file(rows, known, monkeypatch):  # pitfall 38
    many = [Row(f"{number}", rows[0].input, rows[0].label, (), (number / 1000, 0.0)) for number in range(10_000)]
    calls = []

    def looked(row, wanted):
        calls.append(row.name)
        return RowStats(1, 2, 3, "int16", None, row.place, 6, (0, 6, 0))

    monkeypatch.setattr(report, "inspect_row", looked)
    monkeypatch.setattr(report, "MIN_ROWS_FOR_PROCESSES", 20_000)  # processes have lists of their own
    first = inspect_rows("t", many, LOOK, known())
    assert len(calls) == 10_000
    for name in ("open_raster", "read_raster"):
        monkeypatch.delattr(inspection_row, name)
    assert inspect_rows("t", many, LOOK, known()) == first
    assert len(calls) == 10_000
