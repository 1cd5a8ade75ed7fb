"""Every row is inspected before work begins; rows that cannot be used are named with their reasons."""

import logging
from datetime import date

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.inspection.row import InspectionSpec
from instageo.table import Row
from tests.readers import check_table, located_rows

ONES = np.ones((2, 3), np.uint8)
SIX = LayerRules(num_layers=6, because="as agreed")
CHIPS, CLASSES = ChipFormat(no_data_value=-9999, rules=SIX), LabelFormat(3)


@pytest.fixture
def row(make_raster):
    """Return a function that writes a chip and its label."""

    def make(name, chip=None, label=ONES, **options):
        chip = np.ones((6, 2, 3), np.int16) if chip is None else chip
        path = make_raster(f"{name}/chip.tif", chip)
        label_path = None if label is None else str(make_raster(f"{name}/label.tif", label, **options))
        return Row(f"{name}/chip.tif", str(path), label_path)

    return make


def check(rows, chip_format=CHIPS, label_format=CLASSES, *, skip_bad=False):
    return check_table("train.csv", rows, InspectionSpec(chip_format, label_format), skip_bad=skip_bad)


@pytest.mark.parametrize(
    ("ignore_index", "label", "tag", "expected"),
    [
        (-1, [[0, 1, 1], [2, 2, -1]], None, [1, 2, 2]),
        (255, [[0, 1, 1], [2, 2, 255]], None, [1, 2, 2]),  # pitfall 11
        (3, [[0, 1, 1], [3, 3, 3]], None, [1, 2, 0]),
        (-1, [[0, 1, 1], [2, 2, 99]], 99, [1, 2, 2]),
    ],
)
def test_class_counts_by_hand(row, ignore_index, label, tag, expected):
    rows = [row(str(number), label=np.array(label, dtype=np.int16), no_data_value=tag) for number in range(3)]
    report = check(rows, label_format=LabelFormat(3, ignore_index))
    assert report.class_counts == [3 * count for count in expected]
    assert report.rows == tuple(rows)


def test_pixels_without_an_observation_are_not_counted(row):  # pitfalls 6, 9
    chip = np.ones((6, 2, 3), np.int16)
    chip[4, 0, :2] = -9999
    assert check([row("a", chip)]).class_counts == [0, 4, 0]
    assert check([row("b", chip)], ChipFormat(2, None, -9999)).class_counts == [
        0,
        6,
        0,
    ]  # one date is left


def test_chips_of_mixed_sizes(row):  # pitfall 16
    sizes = [(2, 3), (5, 1), (2, 3)]
    rows = [
        row(str(number), np.ones((6, *size), np.int16), np.ones(size, np.uint8)) for number, size in enumerate(sizes)
    ]
    report = check(rows)
    assert report.max_shape == (5, 3)
    assert report.num_layers == 6
    assert report.summary() == "3 chips of 6 layers, 2x3, 5x1 pixels"


@pytest.mark.parametrize(
    ("layers", "chip_format", "words"),
    [
        (13, ChipFormat(rules=SIX), r"has 13 layers, expected 6 \(as agreed\)"),  # pitfall 14
        (6, ChipFormat(2, rules=LayerRules(num_layers=12)), r"has 6 layers, expected 12"),
        (6, ChipFormat(1, (0, 6)), r"has 6 layers, but dataloader\.bands requests layer 6"),
    ],
)
@pytest.mark.parametrize("label_format", [CLASSES, None])
def test_another_number_of_layers_raises_an_error(row, layers, chip_format, words, label_format):
    with pytest.raises(DataError, match=rf"train\.csv: 1 of 1 row cannot be used: .*a/chip\.tif: {words}"):
        check([row("a", np.ones((layers, 2, 3), np.int16))], chip_format, label_format)


def test_bands_may_be_chosen_from_13_layers(row):  # pitfall 14
    assert check([row("a", np.ones((13, 2, 3), np.int16))], ChipFormat(1, (1, 2, 3, 8, 11, 12))).num_layers == 13


def test_files_of_different_layouts_raise_an_error(row):  # pitfall 17
    rows = [row(str(number), np.ones((layers, 2, 3), np.int16)) for number, layers in enumerate([13, 6, 13])]
    with pytest.raises(DataError, match=r"1 of 3 rows .*1/chip\.tif: has 6 layers, but most other files have 13"):
        check(rows, ChipFormat(1, (0, 1, 2)))


def all_missing():
    return np.full((6, 2, 3), -9999, np.int16)


BAD = [
    (None, ONES * 7, r"label\.tif: label values \[7\] are outside the classes 0\.\.2"),  # pitfall 18
    (None, np.ones((3, 2), np.uint8), r"label\.tif: 3x2 pixels, but its chip .*chip\.tif has 2x3"),
    (None, np.full((2, 3), -1, np.int8), r"label\.tif: no labelled pixel where"),  # pitfall 21
    (all_missing(), ONES, r"chip\.tif: no valid pixel"),  # pitfall 21
    (np.ones((5, 2, 3), np.int16), ONES, r"chip\.tif: has 5 layers"),
]


@pytest.mark.parametrize(("chip", "label", "words"), BAD)
def test_a_bad_row_is_named_or_left_out_on_request(row, caplog, chip, label, words):  # pitfall 39
    rows = [row("good"), row("bad", chip, label), row("fine")]
    with pytest.raises(DataError, match=rf"train\.csv: 1 of 3 rows cannot be used: .*bad/{words}.*on_bad_row=skip"):
        check(rows)
    with caplog.at_level(logging.WARNING):
        report = check(rows, skip_bad=True)
    assert report.rows == (rows[0], rows[2])
    assert report.class_counts == [0, 12, 0]
    [(left_out, reason)] = report.dropped
    assert left_out == rows[1]
    assert reason in report.summary()
    assert "left out 1" in report.summary()
    assert reason in caplog.text


def test_labels_without_any_observation_raise_an_error(row):  # pitfall 21
    chip, label = np.ones((6, 2, 3), np.int16), np.full((2, 3), -1, np.int8)
    chip[:, 0], label[0] = -9999, 1
    with pytest.raises(DataError, match="no labelled pixel where"):
        check([row("a", chip, label)])


def test_missing_and_unreadable_files_are_bad_rows_like_others(row, tmp_path):
    (tmp_path / "text.tif").write_text("no raster")
    rows = [Row(name, str(tmp_path / name), str(tmp_path / "label.tif")) for name in ("none.tif", "text.tif")]
    with pytest.raises(
        DataError, match=r"2 of 2 rows .*none\.tif: no such file.*text\.tif: cannot be read as a raster"
    ):
        check(rows, skip_bad=True)
    assert len(check([*rows, row("good")], skip_bad=True).dropped) == 2


@pytest.mark.parametrize(
    "position",
    [{"transform": Affine(30, 0, 500_030, 0, -30, 4_000_000)}, {"crs": CRS.from_epsg(32618).to_wkt()}],
    ids=["one pixel further", "another zone"],
)
def test_a_label_at_another_location_raises_an_error(row, position):  # pitfall 2
    with pytest.raises(DataError, match=r"label\.tif: lies at another location than its chip .*chip\.tif"):
        check([row("a", **position)])
    assert check([row("b", crs=None, transform=Affine.identity())]).rows  # labels without a location are accepted


def test_many_bad_rows_are_counted(row, tmp_path):
    rows = [row("good"), *(Row(f"{number}.tif", str(tmp_path / f"{number}.tif"), None) for number in range(5))]
    with pytest.raises(DataError, match=r"5 of 6 rows cannot be used: .*0\.tif: no such file.*\(and 4 more like it\)"):
        check(rows)


def test_labels_are_not_read_without_a_label_format(row):  # pitfall 7
    report = check([row("a", label=None), row("b", label=ONES * 7), row("c", all_missing())], label_format=None)
    assert len(report.rows) == 3
    assert report.summary() == "3 chips of 6 layers, 2x3 pixels"


@pytest.fixture
def located(make_raster):
    return located_rows(make_raster)


@pytest.mark.parametrize("label_format", [CLASSES, None])
def test_chips_with_known_dates_and_location_are_counted(located, label_format):
    report = check(located, label_format=label_format)
    assert report.coordinate_summary() == "dates are known for 2, the location for 4 of 6 chips"
    dated = [False, True, False, False, False, True]
    assert [stats.temporal_coords is not None for stats in report.row_stats] == dated
    assert [stats.location_coords is not None for stats in report.row_stats] == [True, True, True, True, False, False]


def test_a_row_with_a_wrong_number_of_dates_is_an_error_or_left_out(located, caplog):  # pitfall 39
    wrong = Row("bad/chip.tif", located[5].input, located[5].label, (date(2020, 1, 1), date(2020, 2, 1)))
    words = r"1 of 6 rows cannot be used: bad/chip\.tif: 2 dates are given \(2020-01-01, 2020-02-01\) for chips of 1"
    with pytest.raises(DataError, match=words):
        check([*located[:5], wrong])
    with caplog.at_level(logging.WARNING):
        assert len(check([*located[:5], wrong], skip_bad=True).rows) == 5
