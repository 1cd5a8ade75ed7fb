"""When and where a chip was seen: from the table, else from the file, else unknown; and carried to the network."""

import logging
from datetime import date

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS

from instageo.errors import DataError
from instageo.model.chips.coordinates import DATE_TAGS, chip_coordinates, row_coordinates
from instageo.model.chips.image import ChipFormat, read_chip
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, eval_loader
from instageo.model.inspection.row import InspectionSpec
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info
from instageo.table import Row
from tests.sources import check_table, load_sample, source_of

NAN = float("nan")
DEGREES = CRS.from_epsg(4326).to_wkt()
SOMEWHERE = Grid(DEGREES, Affine(0.5, 0, 10, 0, -0.25, 50), 4, 8)
"""Four rows of a quarter degree from 50 N, eight columns of half a degree from 10 E: the middle is 49.5 N, 12 E."""
ONE, CLASSES = ChipFormat(no_data_value=-9999), LabelFormat(3)


def when(tags, steps=1, dates=()):
    """Time alone, as lists."""
    return chip_coordinates(dates, None, None, tags, steps)[0].tolist()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2023-01-01", [2023, 1]),
        ("2024-02-29", [2024, 60]),
        ("2024-03-01", [2024, 61]),
        ("2023-03-01", [2023, 60]),
        ("2024-12-31", [2024, 366]),
        ("2023-12-31", [2023, 365]),
        ("2000-12-31", [2000, 366]),
        ("1900-12-31", [1900, 365]),
    ],
)
def test_days_of_the_year_count_from_1(day, expected):
    assert when({}, 1, [date.fromisoformat(day)]) == [expected]


def test_what_is_told_goes_before_what_the_file_says():
    time, place = chip_coordinates([date(2021, 1, 2)], (-1.5, 36.75), SOMEWHERE, {"DATE": "1999-01-01"}, 1)
    assert (time.dtype, time.tolist()) == (np.float32, [[2021, 2]])
    assert (place.dtype, place.tolist()) == (np.float32, [-1.5, 36.75])


def test_zero_degrees_is_a_place():
    assert chip_coordinates([], (0.0, 0.0), SOMEWHERE, {}, 1)[1].tolist() == [0, 0]


def test_what_is_not_told_comes_from_the_file():
    time, place = chip_coordinates([], None, SOMEWHERE, {"DATE": "1999-02-01"}, 1)
    assert time.tolist() == [[1999, 32]]
    assert place.tolist() == [49.5, 12]


@pytest.mark.parametrize("steps", [1, 3])
def test_what_nobody_knows_is_nan(steps):
    time, place = chip_coordinates([], None, None, {}, steps)
    assert_array_equal(time, np.full((steps, 2), NAN))
    assert_array_equal(place, [NAN, NAN])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SENSING_TIME": "2020-03-05T18:51:49.1234567Z"}, [[2020, 65]]),  # HLS: seven digits of a second
        ({"SENSING_TIME": "2020-03-05T18:51:49.123456Z; 2020-03-05T18:52:13.5Z"}, [[2020, 65]]),  # two scenes, one day
        ({"SENSING_TIME": "2020-03-05T18:51:49Z; 2020-03-06T18:52:13Z"}, None),  # which of the two?
        ({"TIFFTAG_DATETIME": "2020:03:05 10:00:00"}, [[2020, 65]]),
        ({"ACQUISITIONDATETIME": "2020-03-05 10:00:00"}, [[2020, 65]]),
        ({"ACQUISITION_DATE": "20200305"}, [[2020, 65]]),
        ({"DATE": "some day in March"}, None),
        ({"DATE": ""}, None),
        ({"DATE": "2020"}, None),
        ({"DATE": "2020-02-30"}, None),
        ({"DATE": "no idea", "DATETIME": "2020-03-05"}, [[2020, 65]]),  # the first that can be read
        ({"DATES": "2019-01-01;2020-01-01", "DATE": "2021-01-03"}, [[2021, 3]]),  # the first that fits one date
        ({"TIFFTAG_DATETIME": "2023:01:01 00:00:00", "SENSING_TIME": "2020-03-05T00:00:00Z"}, [[2020, 65]]),
        ({"PROCESSED": "2020-03-05"}, None),
    ],
)
def test_one_date_from_tags(tags, expected):
    assert_array_equal(when(tags), expected or [[NAN, NAN]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01;2020-02-01;2020-12-31", [[2020, 1], [2020, 32], [2020, 366]]),
        ("2020-12-31, 2020-02-01, 2020-01-01", [[2020, 366], [2020, 32], [2020, 1]]),  # in the order of the layers
        ("2020-01-01;2020-02-01", None),
        ("2020-01-01;2020-02-01;2020-03-01;2020-04-01", None),
        ("2020-01-01;2020-02-01;later", None),
        ("2020-01-01", None),
    ],
)
def test_three_dates_from_a_tag(text, expected):
    assert_array_equal(when({"DATES": text}, 3), expected or [[NAN, NAN]] * 3)


@pytest.mark.parametrize("name", DATE_TAGS)
@pytest.mark.parametrize("domain", [None, "IMAGERY"])
def test_tags_are_found_in_the_file(make_raster, name, domain):
    path = make_raster("chip.tif", np.ones((2, 2), np.uint8))
    text = "2020:03:05 10:00:00" if name.startswith("TIFFTAG") else "2020-03-05"
    with rasterio.open(path, "r+") as target:
        target.update_tags(ns=domain, **{name: text})
    assert when(read_info(path).tags) == when(read_chip(path, ONE).tags) == [[2020, 65]]


def test_names_of_tags_may_be_in_small_letters(make_raster):
    path = make_raster("chip.tif", np.ones((2, 2), np.uint8), tags={"sensing_time": "2020-03-05T00:00:00.0000000Z"})
    assert when(read_info(path).tags) == [[2020, 65]]


@pytest.mark.parametrize(("told", "steps"), [(1, 3), (3, 1), (2, 3)])
def test_a_wrong_number_of_dates_names_the_row(told, steps, tmp_path):
    row = Row("a/chip.tif", str(tmp_path), None, (date(2020, 1, 1),) * told)
    with pytest.raises(DataError, match=rf"^a/chip\.tif: {told} dates are given \(2020-01-01.*\) for chips of {steps}"):
        row_coordinates(row, SOMEWHERE, {}, steps)


@pytest.fixture
def rows(make_raster):
    """Six chips of 4 x 6 pixels: two with a date (one in the file), four with a place (one in the table alone)."""
    made = []
    for number in range(6):
        where = {} if number in (0, 1, 2) else {"crs": None, "transform": Affine.identity()}
        tags = {"SENSING_TIME": "2020-03-05T00:00:00.0000000Z"} if number == 5 else {}
        chip = make_raster(f"{number}/chip.tif", np.ones((6, 4, 6), np.int16), tags=tags, **where)
        label = make_raster(f"{number}/label.tif", np.ones((4, 6), np.uint8), **where)
        dates = (date(2024, 12, 31),) if number == 1 else ()
        made.append(Row(f"{number}/chip.tif", str(chip), str(label), dates, (10.0, 20.0) if number == 3 else None))
    return made


@pytest.mark.parametrize("labels", [CLASSES, None])
def test_the_check_counts_chips_whose_time_and_place_are_known(rows, labels):
    report = check_table("train.csv", rows, InspectionSpec(ONE, labels, 6))
    assert report.coordinates() == "time is known for 2, place for 4 of 6 chips"
    assert [fact.temporal_coords is not None for fact in report.facts] == [False, True, False, False, False, True]
    assert [fact.location_coords is not None for fact in report.facts] == [True, True, True, True, False, False]


def test_the_check_refuses_or_leaves_out_a_row_with_other_dates(rows, caplog):  # pitfall 39
    wrong = [*rows[:5], Row("bad/chip.tif", rows[5].input, rows[5].label, (date(2020, 1, 1), date(2020, 2, 1)))]
    words = r"1 of 6 rows cannot be used: bad/chip\.tif: 2 dates are given \(2020-01-01, 2020-02-01\) for chips of 1"
    with pytest.raises(DataError, match=words):
        check_table("train.csv", wrong, InspectionSpec(ONE, CLASSES, 6))
    with caplog.at_level(logging.WARNING):
        assert len(check_table("train.csv", wrong, InspectionSpec(ONE, CLASSES, 6), skip_bad=True).rows) == 5


def test_a_sample_carries_time_and_place(rows):  # pitfall 26
    sample = load_sample(rows[1], ONE, CLASSES)
    assert sample.temporal_coords.tolist() == [[2024, 366]]
    torch.testing.assert_close(sample.location_coords, torch.tensor([36.144, -81.0]), atol=1e-3, rtol=0)
    assert load_sample(rows[3], ONE, None).location_coords.tolist() == [10, 20]
    unknown = load_sample(rows[4], ONE, CLASSES)
    assert unknown.temporal_coords.isnan().all()
    assert unknown.location_coords.isnan().all()


@pytest.mark.parametrize("size", [(2, 3), (9, 9)])
def test_random_windows_keep_the_coordinates_of_their_chip(rows, size):  # pitfall 26
    source = source_of(rows, ONE, CLASSES)
    windows, whole = RandomCropDataset(source, size, -1), WholeChipDataset(source)
    for number in range(len(rows)):
        for part in ("temporal_coords", "location_coords"):
            assert_array_equal(getattr(windows[7, number], part), getattr(whole[number], part))


def test_scoring_hands_them_out_with_their_own_chip(rows):
    samples = [
        sample for batch in eval_loader(WholeChipDataset(source_of(rows, ONE, CLASSES)), 4, 0) for sample in batch
    ]
    known = [bool(sample.temporal_coords.isfinite().all()) for sample in samples]
    assert known == [False, True, False, False, False, True]


def test_a_batch_keeps_which_chip_knows_what(rows):
    batch = stack_samples([load_sample(row, ONE, CLASSES) for row in rows])
    assert batch.temporal_coords.shape == (6, 1, 2)
    assert batch.location_coords.shape == (6, 2)
    assert batch.temporal_coords.isfinite().all(-1)[:, 0].tolist() == [False, True, False, False, False, True]
    assert batch.location_coords.isfinite().all(-1).tolist() == [True, True, True, True, False, False]


def test_moving_and_cutting_a_sample_keeps_them(rows):
    sample = load_sample(rows[1], ONE, CLASSES)
    changed = [sample.to(torch.device("cpu")), sample.window(slice(0, 2), slice(1, 2)), sample.map(torch.clone)]
    for other in changed:
        assert torch.equal(other.temporal_coords, sample.temporal_coords)
        assert torch.equal(other.location_coords, sample.location_coords)
    doubled = sample.map(lambda tensor: torch.cat([tensor, tensor]))
    assert (doubled.temporal_coords.shape, doubled.location_coords.shape) == ((2, 2), (4,))


def test_a_batch_without_coordinates_has_none():
    bare = Sample(torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool))
    full = Sample(bare.image, bare.valid, None, torch.ones(1, 2), torch.ones(2))
    assert stack_samples([bare, bare]).temporal_coords is None
    assert stack_samples([bare, full]).location_coords is None
    assert stack_samples([full, full]).location_coords.shape == (2, 2)
