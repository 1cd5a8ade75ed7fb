import numpy as np
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.output.chip_files import join_dates, write_chip
from instageo.data.reading.step_pixels import Quality, StepPixels
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info, read_raster
from instageo.raster.warp import crs_wkt
from tests.items import item_of


def step(value, covered):
    covered = np.array(covered, bool)
    valid = np.ones(covered.shape, bool)
    valid[0, 0] = False
    values = np.where(valid, np.full((2, *covered.shape), value, np.int16), np.int16(-9999))
    return StepPixels(values, valid, 0, Quality(covered, valid, 0.5, 0.75))


STEPS = [step(100, [[0, 1], [0, 0]]), step(200, [[0, 0], [1, 0]])]


def test_masks_set_no_data_at_their_date_alone():  # pitfalls 67, 68
    image = join_dates(STEPS, 2, (2, 2), mask_any=False, dtype="int16")
    assert_array_equal(image.values[0], [[-9999, -9999], [100, 100]])
    assert_array_equal(image.values[3], [[-9999, 200], [-9999, 200]])
    assert image.valid == (0.5, 0.5)
    assert image.clear == (0.5, 0.5)


def test_a_pixel_that_is_covered_once_can_be_masked_at_all_dates():
    image = join_dates(STEPS, 2, (2, 2), mask_any=True, dtype="int16")
    assert_array_equal(image.values[0], [[-9999, -9999], [-9999, 100]])
    assert_array_equal(image.values[2], [[-9999, -9999], [-9999, 200]])


def test_a_date_without_an_image_is_no_data():
    image = join_dates([None, STEPS[1]], 2, (2, 2), mask_any=False, dtype="int16")
    assert (image.values[:2] == -9999).all()
    assert image.valid == (0.0, 0.5)


def test_the_file_says_what_it_is_made_of(tmp_path):
    grid = Grid(crs_wkt("EPSG:32632"), Affine(30, 0, 600000, 0, -30, 4900020), 2, 2)
    image = join_dates(STEPS, 2, (2, 2), mask_any=False, dtype="int16")
    items = [item_of(name="a", **{"s2:processing_baseline": "05.00"}), item_of(name="b", day="2024-05-16")]
    write_chip(tmp_path / "chip.tif", image, grid, ["BLUE", "RED"], items, {"MASK": "cloud"})
    info = read_info(tmp_path / "chip.tif")
    assert info.descriptions == ("BLUE", "RED", "BLUE", "RED")
    assert (info.dtype, info.no_data_value, info.grid) == ("int16", -9999, grid)
    assert {key: info.tags[key] for key in ("DATES", "ITEMS", "BASELINES", "MASK")} == {
        "DATES": "2024-05-01;2024-05-16", "ITEMS": "a;b", "BASELINES": "05.00;", "MASK": "cloud",
    }  # fmt: skip
    assert_array_equal(read_raster(tmp_path / "chip.tif").values, image.values)
