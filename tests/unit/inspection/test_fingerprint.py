"""What tells two data sets apart."""

from dataclasses import replace

import pytest

from instageo.model.inspection.fingerprint import fingerprint_table
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.table import Row

FACT = RowStats(6, 4, 4, class_counts=(3, 1))


def of(folder, label, fact=FACT):
    return fingerprint_table(
        TableReport((Row("a.tif", f"{folder}/a.tif", label, label_is_file=False),), (fact,)), str(folder)
    )


def test_labels_of_chips_count_as_they_are_wherever_the_command_runs(tmp_path, monkeypatch):
    before = of(tmp_path, "water")
    monkeypatch.chdir(tmp_path)
    assert of(tmp_path, "water") == before
    assert of(tmp_path, "land") != before


@pytest.mark.parametrize("change", [{"layers": 5}, {"valid_pixels": 9}, {"class_counts": (2, 2)}])
def test_what_the_check_found_counts(tmp_path, change):
    assert of(tmp_path, "water", replace(FACT, **change)) != of(tmp_path, "water")
