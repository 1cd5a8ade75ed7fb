"""Results of inspections are cached: unchanged files are not opened again, and nothing stale is used."""

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
from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.label_layers import LabelLayers
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.inspection import report
from instageo.model.inspection import row as inspection_row
from instageo.model.inspection.report import inspect_rows
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.inspection.row_stats import FORMAT, RowStats, StatsCache, TransientError
from instageo.model.inspection.statistics import compute_moments
from instageo.table import Row

SPEC = InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3))
ONES = np.ones((2, 3), np.uint8)


@pytest.fixture
def rows(make_raster):
    """Write four rows of 2 x 3 pixels; the label of the last one has a value outside the classes."""
    made = []
    for number in range(4):
        chip = make_raster(f"{number}/chip.tif", np.full((2, 3), number + 1, np.int16))
        label = make_raster(f"{number}/label.tif", ONES * (9 if number == 3 else 1))
        made.append(Row(f"{number}/chip.tif", str(chip), str(label)))
    return made


@pytest.fixture
def load_cache(tmp_path):
    """Return a function that reads the cache from its file, as each run does."""
    return lambda: StatsCache(tmp_path / "checks" / "one.json")


@pytest.fixture
def opened(monkeypatch):
    """Return the names of the chips that were inspected."""
    names = []

    def recorded(row, spec):
        names.append(row.name)
        return inspect_row(row, spec)

    monkeypatch.setattr(report, "inspect_row", recorded)
    return names


def test_unchanged_rows_are_not_opened_again(rows, load_cache, opened):  # pitfall 38
    first = inspect_rows("t", rows, SPEC, load_cache())
    assert sorted(opened) == [row.name for row in rows]
    opened.clear()
    assert inspect_rows("t", rows, SPEC, load_cache()) == first
    assert opened == []


def test_headers_of_unchanged_rows_are_not_read_again(rows, load_cache, monkeypatch):  # pitfall 38
    first = inspect_rows("t", rows, SPEC, load_cache())
    for row in rows:  # unreadable content of the same size and time
        for path in (row.input, row.label):
            before = Path(path).stat()
            with open(path, "r+b") as file:
                file.write(b"\0" * before.st_size)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert inspect_rows("t", rows, SPEC, load_cache()) == first
    assert all("cannot be read" in result for result in inspect_rows("t", rows, SPEC))


def test_processes_return_the_same_results_as_threads(rows, load_cache, monkeypatch):  # pitfall 38
    rows = [*rows, Row("gone.tif", "gone.tif", rows[0].label)]
    with_moments = replace(SPEC, with_moments=True)
    few = inspect_rows("t", rows, with_moments)
    monkeypatch.setattr(report, "MIN_ROWS_FOR_PROCESSES", len(rows))
    many = inspect_rows("t", rows, with_moments, load_cache())
    contents = [
        [result if isinstance(result, str) else result.to_dict() for result in results] for results in (few, many)
    ]
    assert contents[0] == contents[1]
    assert [type(result) for result in many] == [RowStats] * 3 + [str, TransientError]
    assert load_cache().get(rows[4], "") is None  # a transient reason is not cached


def test_processes_are_used_for_many_local_files_only(rows, monkeypatch):
    store = Row("a.tif", "https://example.org/a.tif", None)
    monkeypatch.setattr(report, "map_threads", lambda *_: "threads")
    monkeypatch.setattr(report, "map_processes", lambda *_: "processes")
    tables = (rows, rows * 200, [*rows * 200, store])
    assert [report._inspect_all(table, SPEC) for table in tables] == ["threads", "processes", "threads"]


@pytest.mark.parametrize("part", ["input", "label"])
def test_a_changed_file_is_inspected_again(rows, load_cache, opened, make_raster, part):
    inspect_rows("t", rows, SPEC, load_cache())
    opened.clear()
    path = getattr(rows[1], part)
    make_raster(path, np.full((2, 3), 2, np.int16 if part == "input" else np.uint8))
    os.utime(path, (1, 1))
    results = inspect_rows("t", rows, SPEC, load_cache())
    assert opened == ["1/chip.tif"]
    assert results[1].class_counts == ((0, 6, 0) if part == "input" else (0, 0, 6))


def test_a_deleted_file_is_noticed(rows, load_cache):  # pitfall 39
    inspect_rows("t", rows, SPEC, load_cache())
    Path(rows[0].input).unlink()
    assert "no such file" in inspect_rows("t", rows, SPEC, load_cache())[0]


def test_a_restored_file_is_used_again(rows, load_cache, make_raster):
    away = Path(rows[0].input).rename(f"{rows[0].input}.away")
    assert "no such file" in inspect_rows("t", rows, SPEC, load_cache())[0]
    away.rename(rows[0].input)
    assert inspect_rows("t", rows, SPEC, load_cache())[0].class_counts == (0, 6, 0)


def test_unusable_rows_are_cached_with_their_reasons(rows, load_cache, opened):  # pitfalls 18, 39
    reason = inspect_rows("t", rows, SPEC, load_cache())[3]
    assert "label values [9] are outside the classes 0..2" in reason
    opened.clear()
    assert inspect_rows("t", rows, SPEC, load_cache())[3] == reason
    assert opened == []


def test_a_file_that_could_not_be_opened_is_tried_again(rows, load_cache, opened, monkeypatch):
    """Permissions, stores and networks recover without a change of the file."""

    def denied(row, spec):
        raise RasterError(f"{row.input}: cannot be read as a raster (Permission denied)")

    with monkeypatch.context() as patch:
        patch.setattr(report, "inspect_row", denied)
        assert all("denied" in result for result in inspect_rows("t", rows[:2], SPEC, load_cache()))
    assert [result.class_counts for result in inspect_rows("t", rows[:2], SPEC, load_cache())] == [(0, 6, 0)] * 2


def test_moments_are_computed_when_they_are_requested(rows, load_cache, opened):
    with_moments = InspectionSpec(SPEC.chip_format, SPEC.label_format, with_moments=True)
    assert inspect_rows("t", rows, SPEC, load_cache())[0].band_moments is None
    opened.clear()
    results = inspect_rows("t", rows, with_moments, load_cache())
    assert opened == ["0/chip.tif", "1/chip.tif", "2/chip.tif"]  # the unusable row stays unusable
    assert [stats.band_moments.mean.tolist() for stats in results[:3]] == [[1], [2], [3]]
    opened.clear()
    assert inspect_rows("t", rows, SPEC, load_cache())[0].band_moments is not None  # more than requested is sufficient
    assert opened == []


def test_rows_are_added_and_removed(rows, load_cache, opened):
    inspect_rows("t", rows[:2], SPEC, load_cache())
    opened.clear()
    inspect_rows("t", rows[1:3], SPEC, load_cache())
    assert opened == ["2/chip.tif"]
    assert len(json.loads(load_cache().path.read_text().splitlines()[1])) == 2


@pytest.mark.parametrize("old", ['"height": 2', "sha256", "format"])
def test_damage_to_the_file_is_noticed(rows, load_cache, opened, old):  # pitfall 84
    first = inspect_rows("t", rows, SPEC, load_cache())
    opened.clear()
    path = load_cache().path
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, f"{old[:-1]}{chr(ord(old[-1]) ^ 1)}", 1))
    assert inspect_rows("t", rows, SPEC, load_cache()) == first
    assert opened != []


def test_a_chip_with_other_dates_or_another_label_is_another_row(rows, load_cache):
    one = rows[0]
    dated = Row(one.name, one.input, one.label, (date(2024, 2, 29),), (10.5, -20.25))
    results = inspect_rows("t", [one, dated, Row(one.name, one.input, None)], SPEC, load_cache())
    again = inspect_rows("t", [one, dated, Row(one.name, one.input, None)], SPEC, load_cache())
    assert results == again
    assert results[1].temporal_coords == ((2024, 60),)
    assert results[1].location_coords == (10.5, -20.25)
    assert results[2].class_counts == ()


OTHER_SPECS = [
    InspectionSpec(ChipFormat(no_data_value=0), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, multiplier=0.1), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, offset=1), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, max_value=1), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, bands=(0,)), LabelFormat(3)),
    InspectionSpec(ChipFormat(2, no_data_value=-9999), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(4)),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, 2)),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, -1, True)),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, -1, False, (1, 2))),
    InspectionSpec(ChipFormat(no_data_value=-9999), TargetFormat()),
    InspectionSpec(ChipFormat(no_data_value=-9999), None),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(("RED",))), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(num_layers=1)), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(sensor="hls_l30")), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(by_name=False)), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(bands_given=True)), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(scale_tags="apply")), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999, rules=LayerRules(tag_factor=1e4)), LabelFormat(3)),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, layers=LabelLayers(1))),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, layers=LabelLayers(None, ((0, 0, 0),)))),
    InspectionSpec(ChipFormat(no_data_value=-9999), LabelFormat(3, layers=LabelLayers(scale_tags="apply"))),
]


def test_every_way_of_reading_has_a_cache_of_its_own(tmp_path):
    files = [StatsCache.for_table(tmp_path, "train.csv", "/data", spec.cache_key).path for spec in (SPEC, *OTHER_SPECS)]
    assert len(set(files)) == len(files)
    assert StatsCache.for_table(tmp_path, "train.csv", "/data", SPEC.cache_key).path == files[0]
    assert StatsCache.for_table(tmp_path, "train.csv", "/other", SPEC.cache_key).path != files[0]


def test_all_statistics_survive_the_file(tmp_path, load_cache):
    values = np.array([[1.1, -2.2, 1e-17], [3.3, 1e9, 0]])
    full = RowStats(
        12, 5, 7, "float32", ((2020.0, 366.0), (2021.0, 1.0)), (1.5, -179.9), 35, (3, 0, 2**40),
        compute_moments(values, np.array([True, True, False])), compute_moments(values[:1], np.zeros(3, bool)),
        "alpha", ("the file calls its layers B04, B03",), (3, 1), ((1.0, -1000.0), (0.1, 1e-17)), 9999.5,
        ((-180.0, 1.5), (179.9, 1.5), (179.9, 1.4), (-180.0, 1.4)),
    )  # fmt: skip
    rows = [Row("a", "a", "b"), Row("b", "b", None), Row("c", "c", "c")]
    load_cache().update(rows, ["1", "2", None], [full, "broken", full])
    again = load_cache()
    restored = again.get(rows[0], "1")
    for name in ("band_moments", "label_moments"):
        for part, value in vars(getattr(full, name)).items():
            assert_array_equal(getattr(getattr(restored, name), part), value)  # to the last bit
    without_moments = {"band_moments": 0, "label_moments": 0}
    assert {**vars(restored), **without_moments} == {**vars(full), **without_moments}
    assert again.get(rows[1], "2") == "broken"
    assert again.get(rows[0], "other") is None
    assert again.get(rows[2], "3") is None  # without a stamp a change could not be noticed


def test_an_unchanged_cache_is_not_written_again(rows, load_cache):
    dated = [Row(row.name, row.input, row.label, (date(2024, 1, 2),)) for row in rows]
    inspect_rows("t", dated, SPEC, load_cache())
    before = load_cache().path.stat()
    inspect_rows("t", dated, SPEC, load_cache())
    assert load_cache().path.stat().st_ino == before.st_ino


FOREIGN = [
    "", "{", "null", "[]", "7", '"text"', "{}", json.dumps({"format": FORMAT}),
    json.dumps({"format": FORMAT, "rows": 5}),
    json.dumps({"format": FORMAT, "rows": [1, 2]}), json.dumps({"format": FORMAT, "rows": None}),
    json.dumps({"format": FORMAT + 1, "rows": {}}), json.dumps({"rows": {}}), "\udcff\udcfe",
]  # fmt: skip


@pytest.mark.parametrize("content", FOREIGN)
def test_a_damaged_or_foreign_file_is_ignored_and_replaced(rows, load_cache, opened, content):
    path = load_cache().path
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    results = inspect_rows("t", rows, SPEC, load_cache())
    assert results[0].class_counts == (0, 6, 0)
    assert len(opened) == 4
    inspect_rows("t", rows, SPEC, load_cache())
    assert len(opened) == 4


def test_no_partial_file_is_left(rows, load_cache, tmp_path):
    inspect_rows("t", rows, SPEC, load_cache())
    assert [path.name for path in (tmp_path / "checks").iterdir()] == ["one.json"]


def test_a_folder_that_cannot_be_written_to_is_reported_and_tolerated(rows, tmp_path, caplog, opened):  # pitfall 39
    (tmp_path / "file").touch()
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            results = inspect_rows("t", rows, SPEC, StatsCache(tmp_path / "file" / "one.json"))
        assert results[0].class_counts == (0, 6, 0)
        [warning] = caplog.messages
        assert "cannot cache the check" in warning
        assert str(tmp_path / "file") in warning
    assert len(opened) == 8


def test_a_full_disk_is_reported_and_leaves_no_file(rows, load_cache, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert inspect_rows("t", rows, SPEC, load_cache())[0].class_counts == (0, 6, 0)
    [warning] = caplog.messages
    assert "No space left" in warning
    assert str(load_cache().path.parent) in warning
    assert list(load_cache().path.parent.iterdir()) == []


@pytest.mark.slow
def test_ten_thousand_cached_rows_open_no_file(rows, load_cache, monkeypatch):  # pitfall 38
    many = [Row(f"{number}", rows[0].input, rows[0].label, (), (number / 1000, 0.0)) for number in range(10_000)]
    calls = []

    def inspected(row, spec):
        calls.append(row.name)
        return RowStats(1, 2, 3, "int16", None, row.lat_lon, 6, (0, 6, 0))

    monkeypatch.setattr(report, "inspect_row", inspected)
    monkeypatch.setattr(report, "MIN_ROWS_FOR_PROCESSES", 20_000)  # processes have lists of their own
    first = inspect_rows("t", many, SPEC, load_cache())
    assert len(calls) == 10_000
    monkeypatch.delattr(inspection_row, "open_raster")
    assert inspect_rows("t", many, SPEC, load_cache()) == first
    assert len(calls) == 10_000
