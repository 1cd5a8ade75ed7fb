"""Parts by dates, by published lists, by columns; buffers and class counts."""

from datetime import date

import numpy as np
import pytest
import rasterio

from instageo.data.chip_tables.chip_table import read_chip_table
from instageo.data.chip_tables.class_counts import count_classes
from instageo.data.chip_tables.places import Places
from instageo.data.splitting.assignment import Assignment
from instageo.data.splitting.buffer import drop_near
from instageo.data.splitting.periods import find_gap, find_last_days, leave_gap, split_periods
from instageo.data.splitting.published import split_by_column, split_by_lists
from instageo.errors import DataError, TableError
from instageo.geodesy.circles import Circles
from tests.split_tables import write_rows

PARTS = ("train", "val", "test")


def days(*texts):
    return [tuple(date.fromisoformat(part) for part in text.split()) for text in texts]


def test_all_dates_of_a_chip_are_in_one_period():
    chips = days("2020-01-01", "2020-01-01 2020-03-01", "2020-02-01", "2020-02-02", "", "2020-05-05 2020-04-01")
    result = split_periods(chips, PARTS, [date(2020, 2, 1), date(2020, 3, 31)])
    np.testing.assert_array_equal(result.part, [0, -1, 0, 1, -1, 2])
    assert result.reasons == {1: "dates in two periods", 4: "no date"}


def test_a_gap_is_left_before_what_is_kept():
    chips = days("2020-01-01", "2020-01-20", "2020-02-10", "2020-02-25", "2020-03-15")
    assigned = Assignment(PARTS, np.array([0, 0, 1, 1, 2]))
    result = leave_gap(assigned, chips, 30)  # test begins on 15 March: val must end by 14 February
    np.testing.assert_array_equal(result.part, [0, -1, 1, -1, 2])
    assert find_gap(chips, result.part, 0, 1) == 40
    assert find_gap(chips, result.part, 1, 2) == 34
    assert find_gap(chips, assigned.part, 0, 1) == 21
    assert find_gap(chips, np.array([0, 1, 0, 1, 2]), 0, 1) == -21
    assert find_gap(chips, np.array([0, 0, 0, 0, 0]), 0, 1) is None


def test_last_days_come_nearest_to_the_shares():
    chips = days(*[f"2020-01-{day:02}" for day in range(1, 21)])
    assert find_last_days(chips, [0.5, 0.25, 0.25]) == [date(2020, 1, 10), date(2020, 1, 15)]
    uneven = days(*["2020-01-01"] * 90, "2020-01-02", "2020-01-03")
    assert find_last_days(uneven, [0.5, 0.25, 0.25]) == [date(2020, 1, 1), date(2020, 1, 2)]
    with pytest.raises(DataError, match="chips of 2 different days cannot fill 3 periods"):
        find_last_days(days("2020-01-01", "2020-01-02"), [0.5, 0.25, 0.25])


def test_lists_decide_and_what_they_leave_open_is_told(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "flood_train_data.csv").write_text(
        "a_S2Hand.tif,a_LabelHand.tif\nb_S2Hand.tif,b_LabelHand.tif\n"
    )
    (tmp_path / "lists" / "flood_test_data.csv").write_text(
        "b_S2Hand.tif,b_LabelHand.tif\nc_S2Hand.tif,x\nz_S2Hand.tif,x\n"
    )
    inputs = [f"S2/{name}_S2Hand.tif" for name in "abcd"]
    result = split_by_lists(inputs, tmp_path / "lists")
    assert result.parts == ("train", "test")
    np.testing.assert_array_equal(result.part, [0, 0, 1, -1])
    assert result.reasons == {3: "in no list"}
    assert "1 chip is in several lists; the first counts: b" in result.notes
    assert "1 of 4 chips in lists are not in the table" in result.notes
    with pytest.raises(TableError, match=r"the lists name no chip of the table, whose first is q.tif"):
        split_by_lists(["q.tif"], tmp_path / "lists")
    with pytest.raises(TableError, match="no lists found"):
        split_by_lists(inputs, tmp_path / "nowhere")


def test_a_column_names_the_parts():
    result = split_by_column(["Training", "validation", "", "extra", "test"], "split")
    assert result.parts == ("train", "val", "test", "extra")
    np.testing.assert_array_equal(result.part, [0, 1, -1, 3, 2])


def test_a_buffer_drops_from_the_lesser_part_and_not_for_what_is_dropped():
    # places on the equator, km apart: train 0, val 8, test 16; with 10 km val goes, so that train may stay
    lonlat = np.array([[0, 0], [8, 0], [16, 0], [500, 0], [900, 0]]) / [111.195, 1]
    places = Places(Circles.around(lonlat), np.array([True, True, True, True, False]))
    result = drop_near(Assignment(PARTS, np.array([0, 1, 2, 1, 0])), places, 10)
    np.testing.assert_array_equal(result.part, [0, -1, 2, 1, -1])
    assert result.reasons == {1: "nearer than 10 km to test", 4: "no location, so its distance is unknown"}
    assert result.dropped_from == {1: "val", 4: "train"}


def counts_of(tmp_path, rows, source="auto"):
    return count_classes(read_chip_table(str(write_rows(tmp_path / "t.csv", rows))), source)


def test_classes_are_counted_from_columns_labels_or_files(tmp_path):
    columns = counts_of(
        tmp_path, [{"Input": "a", "count_0": 5, "count_10": ""}, {"Input": "b", "count_0": 1, "count_10": 2}]
    )
    assert columns.names == ("0", "10")
    np.testing.assert_array_equal(columns.counts, [[5, 0], [1, 2]])
    assert columns.majority() == ["0", "10"]
    labels = counts_of(
        tmp_path, [{"Input": "a", "Label": "x;y"}, {"Input": "b", "Label": "-"}, {"Input": "c", "Label": "y"}]
    )
    assert labels.names == ("x", "y")
    np.testing.assert_array_equal(labels.counts, [[1, 1], [0, 0], [0, 1]])
    assert counts_of(tmp_path, [{"Input": "a", "Label": "0.25"}]) is None
    values = np.array([[[0, 0, 1], [2, -1, 2]]], "int16")
    with rasterio.open(
        tmp_path / "l.tif", "w", driver="GTiff", count=1, height=2, width=3, dtype="int16", crs="EPSG:4326",
        transform=rasterio.Affine(1, 0, 5, 0, -1, 5),
    ) as file:  # fmt: skip
        file.write(values)
    rows = [{"Input": "a", "Label": "l.tif"}, {"Input": "b", "Label": ""}]
    assert counts_of(tmp_path, rows) is None
    read = counts_of(tmp_path, rows, "read")
    assert read.names == ("0", "1", "2")
    np.testing.assert_array_equal(read.counts, [[2, 1, 2], [0, 0, 0]])
    with pytest.raises(TableError, match="hold negative numbers"):
        counts_of(tmp_path, [{"Input": "a", "count_0": -1}])
