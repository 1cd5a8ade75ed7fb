"""What tells two data sets apart."""

from dataclasses import replace

import pytest

from instageo.model.check import TableReport
from instageo.model.facts import RowFacts
from instageo.model.fingerprint import fingerprint
from instageo.table import Row

FACT = RowFacts(6, 4, 4, class_counts=(3, 1))


def of(folder, label, fact=FACT):
    return fingerprint(
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
