"""Each check on a small table in which one chip has its defect."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from instageo.data import CleanSettings
from instageo.data.cleaning.checks import CHECKS
from instageo.data.cleaning.table_cleaning import check_table
from instageo.errors import ConfigError
from instageo.raster.grid import Grid
from tests.cleaning import UTM_32, ChipTableWriter, chip_grid, ground_chip

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

NUMBER = 12


@pytest.fixture
def writer(tmp_path):
    """A table of 12 chips without a defect."""
    rng = np.random.default_rng(21)
    table = ChipTableWriter(tmp_path / "data")
    for number in range(NUMBER):
        table.add(f"good{number}", *ground_chip(rng, 48), chip_grid(number, 48), dates="2024-05-01")
    return table


def chip(seed=99, steps=1):
    return ground_chip(np.random.default_rng(seed), 48, steps)


def clean(writer, tmp_path, **options):
    """Return the verdicts of the findings by (chip, check), and all that was found."""
    found = check_table(CleanSettings(writer.write(), str(tmp_path / "out"), threads=1, **options)).results
    return {(Path(entry.finding.chip.row.name).stem, entry.check): entry.verdict for entry in found.findings}, found


def test_a_table_without_defects_has_no_findings(writer, tmp_path):
    found, report = clean(writer, tmp_path)
    assert found == {}
    assert (report.dropped, report.together) == (frozenset(), ())
    assert [remark.partition(":")[0] for remark in report.remarks] == ["cloud", "registration", "mislocated"]


def spoil_nodata(writer):
    values, label = chip()
    values[:, :30] = -9999
    writer.add("bad", values, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_all_nodata(writer):
    values, label = chip()
    writer.add("bad", np.full_like(values, -9999), label, chip_grid(40, 48), dates="2024-05-01")


def spoil_cloud(writer):
    for row in writer.rows:
        row["clear_1"] = 0.9
    writer.add("bad", *chip(), chip_grid(40, 48), dates="2024-05-01", clear_1=0.4)


def spoil_labelled(writer):
    values, label = chip()
    writer.add("bad", values, np.full_like(label, -1), chip_grid(40, 48), dates="2024-05-01")


def spoil_constant(writer):
    values, label = chip()
    values[4] = 2000
    writer.add("bad", values, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_range(writer):
    values, label = chip()
    writer.add("bad", values + 1000, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_scale(writer):
    values, label = chip()
    writer.add("bad", (values / 10_000).astype(np.float32), label, chip_grid(40, 48), dates="2024-05-01")


def spoil_saturated(writer):
    values, label = chip()
    values[:3, :10, :10] = 16_000
    writer.add("bad", values, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_stripes(writer):
    values, label = chip()
    values[:, 1::2] = values[:, ::2]
    writer.add("bad", values, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_duplicate(writer):
    rng = np.random.default_rng(21)
    writer.add("bad", *ground_chip(rng, 48), chip_grid(0, 48), dates="2024-05-01")


def spoil_near_duplicate(writer):
    values, label = ground_chip(np.random.default_rng(21), 48)
    writer.add("bad", values + 1, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_crs(writer):
    writer.add("bad", *chip(), Grid(None, Affine.identity(), 48, 48), dates="2024-05-01")


def spoil_label_grid(writer):
    grid = chip_grid(40, 48)
    writer.add("bad", *chip(), grid, label_grid=grid.window(0, 5, 48, 48), dates="2024-05-01")


def spoil_date(writer):
    writer.add("bad", *chip(), chip_grid(40, 48), dates="2024-05-32")


def spoil_layers(writer):
    values, label = chip()
    writer.add("bad", values[:5], label, chip_grid(40, 48), dates="2024-05-01")


def spoil_classes(writer):
    values, label = chip()
    label[0, 5, 5] = 3
    writer.add("bad", values, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_outlier(writer):
    values, label = chip()
    writer.add("bad", values * 2, label, chip_grid(40, 48), dates="2024-05-01")


def spoil_place(writer):
    for row, number in zip(writer.rows, range(NUMBER), strict=True):
        row["lat"], row["lon"] = chip_grid(number, 48).center_lat_lon()
    writer.add("bad", *chip(), chip_grid(40, 48), dates="2024-05-01", lat=49.0, lon=9.0)


def spoil_degrees(writer):
    writer.add("bad", *chip(), chip_grid(40, 48), dates="2024-05-01", lat=95, lon="east")


def spoil_file(writer):
    writer.add("bad", *chip(), chip_grid(40, 48), dates="2024-05-01")
    path = writer.folder / "chips/bad.tif"
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(("spoil", "check", "verdict"), [
    (spoil_file, "readable", "drop"), (spoil_nodata, "nodata", "warn"), (spoil_all_nodata, "nodata", "drop"),
    (spoil_cloud, "cloud", "warn"), (spoil_labelled, "labelled", "drop"), (spoil_constant, "constant", "drop"),
    (spoil_range, "range", "warn"), (spoil_scale, "range", "warn"), (spoil_saturated, "saturated", "warn"),
    (spoil_stripes, "stripes", "warn"), (spoil_duplicate, "duplicate", "drop"),
    (spoil_near_duplicate, "near_duplicate", "warn"), (spoil_crs, "grid", "drop"), (spoil_label_grid, "grid", "drop"),
    (spoil_date, "grid", "drop"), (spoil_layers, "grid", "drop"), (spoil_classes, "classes", "warn"),
    (spoil_degrees, "mislocated", "drop"), (spoil_outlier, "outlier", "warn"), (spoil_place, "mislocated", "warn"),
])  # fmt: skip
def test_each_check_finds_its_defect_and_nothing_in_good_chips(spoil, check, verdict, writer, tmp_path):
    spoil(writer)
    found, _ = clean(writer, tmp_path)
    assert found["bad", check] == verdict
    assert {name for name, _ in found} == {"bad"}


def test_every_check_but_those_of_pairs_and_dates_is_tried_above():
    tried = {mark.args[1][index][1] for mark in test_each_check_finds_its_defect_and_nothing_in_good_chips.pytestmark
             if mark.name == "parametrize" for index in range(len(mark.args[1]))}  # fmt: skip
    assert set(CHECKS) - tried == {"overlap", "registration"}


def test_the_same_image_with_another_label_drops_both(writer, tmp_path):
    values, label = ground_chip(np.random.default_rng(21), 48)
    writer.add("bad", values, 2 - label, chip_grid(0, 48), dates="2024-05-01")
    found, report = clean(writer, tmp_path)
    assert (found["bad", "duplicate"], found["good0", "duplicate"]) == ("drop", "drop")
    assert report.dropped == {1, NUMBER + 1}
    assert [(pair.first, pair.second) for pair in report.together][:1] == [(0, NUMBER)]


@pytest.mark.parametrize(("columns", "dates", "grouped"), [
    (35, "2024-05-01", True),  # 13 of 48 columns are shared: 27 %
    (37, "2024-05-01", False),  # 11 of 48: 23 %
    (35, "2024-06-01", False),
])  # fmt: skip
def test_chips_of_which_a_quarter_overlaps_at_equal_dates_form_a_group(columns, dates, grouped, writer, tmp_path):
    grid = chip_grid(3, 48)
    writer.add("beside", *chip(), Grid(UTM_32, grid.transform @ Affine.translation(columns, 0), 48, 48), dates=dates)
    found, report = clean(writer, tmp_path)
    expected = {("good3", "overlap"): "group", ("beside", "overlap"): "group"}
    assert found == (expected if grouped else {})
    assert len(report.together) == grouped


def test_a_second_date_that_is_shifted_is_found(tmp_path):
    rng = np.random.default_rng(5)
    writer = ChipTableWriter(tmp_path / "data")
    for number in range(3):
        values, label = ground_chip(rng, 64, steps=2)
        if number == 1:
            values[6:] = np.roll(values[6:], 3, axis=2)
        writer.add(f"chip{number}", values, label, chip_grid(number), dates="2024-05-01;2024-06-01")
    found, _ = clean(writer, tmp_path)
    assert found == {("chip1", "registration"): "warn"}


def test_labels_that_are_no_class_are_dropped(writer, tmp_path):
    found, _ = clean(writer, tmp_path, classes=2)
    assert found == {(f"good{number}", "classes"): "drop" for number in range(NUMBER)}


def test_verdicts_can_be_changed_and_checks_switched_off(writer, tmp_path):
    spoil_stripes(writer)
    assert clean(writer, tmp_path, verdicts={"stripes": "drop"})[0] == {("bad", "stripes"): "drop"}
    assert clean(writer, tmp_path, verdicts={"stripes": "off"})[0] == {}
    with pytest.raises(ConfigError, match=r"unknown check stripe;.*did you mean stripes"):
        clean(writer, tmp_path, verdicts={"stripe": "off"})


def test_a_table_of_reflectance_from_0_to_1_is_told_once(tmp_path):
    rng, writer = np.random.default_rng(8), ChipTableWriter(tmp_path / "data")
    for number in range(3):
        values, label = ground_chip(rng, 48)
        writer.add(f"chip{number}", (values / 10_000).astype(np.float32), label, chip_grid(number, 48))
    found, report = clean(writer, tmp_path)
    assert found == {}
    assert any("0 to 1" in remark for remark in report.remarks)
