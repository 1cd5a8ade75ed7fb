"""Fingerprints of data sets."""

from dataclasses import replace

import pytest

from instageo.model.inspection.fingerprint import fingerprint_table
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.model.inspection.tables import inspect_table
from instageo.table import Row
from tests.unit.inspection.test_tables import chip, run_on

STATS = RowStats(6, 4, 4, class_counts=(3, 1))


def fingerprint(folder, label, stats=STATS):
    """Return the fingerprint of a table of one chip with an image-level label."""
    row = Row("a.tif", f"{folder}/a.tif", label, label_is_file=False)
    return fingerprint_table(TableReport((row,), (stats,)), str(folder))


def test_image_level_labels_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    before = fingerprint(tmp_path, "water")
    monkeypatch.chdir(tmp_path)
    assert fingerprint(tmp_path, "water") == before
    assert fingerprint(tmp_path, "land") != before


@pytest.mark.parametrize("change", [{"num_layers": 5}, {"valid_pixels": 9}, {"class_counts": (2, 2)}])
def test_a_fingerprint_covers_the_statistics_of_rows(tmp_path, change):
    assert fingerprint(tmp_path, "water", replace(STATS, **change)) != fingerprint(tmp_path, "water")


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
