"""Labels of rasters on the pixels of chips."""

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from rasterio.enums import Resampling
from rasterio.warp import reproject

from instageo.errors import RasterError
from instageo.raster import label_warp
from instageo.raster.grid import Grid
from instageo.raster.label_warp import WarpRules, warp_labels
from instageo.raster.warp import crs_wkt

WEST, NORTH = 500_000, 4_000_000
UTM = crs_wkt("EPSG:32632")


def transform(pixel, west=WEST, north=NORTH):
    return Affine(pixel, 0, west, 0, -pixel, north)


def chip(height, width, **options):
    return Grid(UTM, transform(30, **options), height, width)


@pytest.fixture
def warp(make_raster):
    """Function that writes labels of so many metres per pixel and brings them onto a chip."""

    def run(values, grid, pixel=10, method="mode", *, crs=UTM, place=None, rules=None, **options):
        path = make_raster("labels.tif", np.asarray(values), crs=crs, transform=place or transform(pixel), **options)
        return warp_labels(path, grid, WarpRules(method, **(rules or {})))

    return run


def test_the_mode_of_nine_pixels_of_10_m(warp):  # pitfall 63
    labels = np.full((6, 3), 9, np.uint8)
    labels[:3] = [[1, 1, 7], [7, 1, 7], [7, 1, 1]]  # five 1, four 7; their mean is 3.7
    labels[3:] = [[5, 5, 5], [2, 2, 2], [8, 8, 8]]  # three of each
    values, valid = warp(labels, chip(2, 1))
    assert (values.tolist(), valid.tolist()) == ([[1], [2]], [[True], [True]])


def test_no_class_is_made_up(warp):  # pitfall 63
    labels = np.random.default_rng(0).choice([3, 40, 250], (90, 90)).astype(np.uint8)
    values, valid = warp(labels, chip(30, 30))
    blocks = labels.reshape(30, 3, 30, 3).swapaxes(1, 2).reshape(30, 30, 9)
    expected = [[min(set(block), key=lambda value: (-(block == value).sum(), value)) for block in row]
                for row in blocks]  # fmt: skip
    assert_array_equal(values, expected)
    assert valid.all()


@pytest.mark.parametrize("method", ["nearest", "mode"])
def test_labels_of_a_grid_that_is_3_m_off_come_from_within_half_a_pixel(warp, method):
    labels = np.arange(36, dtype=np.uint8).reshape(6, 6)
    values, valid = warp(labels, chip(6, 6), method=method, place=transform(30, WEST + 3, NORTH - 3))
    assert_array_equal(values, labels)
    assert valid.all()


def test_pixels_without_labels_have_none(warp):
    labels = np.array([[1, 1, 255, 2, 255, 255]] * 3, np.uint8)
    values, valid = warp(labels, chip(2, 3), no_data_value=255)
    assert valid.tolist() == [[True, False, False], [False] * 3]  # 6 of 9 valid; 3 of 9; beyond the border
    assert values.tolist() == [[1, 0, 0], [0] * 3]
    assert warp(labels, chip(1, 2), no_data_value=255, rules={"min_share": 0.3})[0].tolist() == [[1, 2]]
    assert warp(labels, chip(1, 2), rules={"no_data_value": 255})[1].tolist() == [[True, False]]


def test_masks_inside_files_count(warp):
    valid = np.ones((3, 6), bool)
    valid[:, 3:] = False
    assert warp(np.ones((3, 6), np.uint8), chip(1, 2), valid=valid)[1].tolist() == [[True, False]]


def test_codes_become_classes_before_they_are_counted(warp):
    labels = np.array([[1, 1, 1], [1, 5, 6], [7, 5, 6]], np.uint8)  # four of code 1; five of class 2
    rules = {"class_map": {1: 0, 5: 2, 6: 2, 7: 2}}
    assert warp(labels, chip(1, 1), rules=rules)[0].tolist() == [[2]]
    values, valid = warp(labels, chip(1, 1), rules={"class_map": {1: -1, 5: 2}, "min_share": 0.2})
    assert (values.tolist(), valid.tolist()) == ([[2]], [[True]])  # 6 and 7 have no class, 1 is ignored
    assert not warp(labels, chip(1, 1), rules={"class_map": {5: 2}})[1].any()  # two of nine


def test_values_are_means_of_valid_pixels_with_a_smallest_share(warp):  # pitfall 63
    labels = np.array([[1, 2, 3, 4, -9999, -9999]] * 3, np.float32)
    labels[2, 2] = -9999
    values, valid = warp(labels, chip(1, 2), method="mean", no_data_value=-9999)
    assert_allclose(values, [[(3 * 1 + 3 * 2 + 2 * 3) / 8, 0]])
    assert valid.tolist() == [[True, False]]


def test_coarser_labels_are_those_of_the_pixel_around(warp):
    values, valid = warp([[1, 2], [3, 4]], chip(4, 4), pixel=60)
    assert_array_equal(values, np.kron([[1, 2], [3, 4]], np.ones((2, 2))))
    assert valid.all()


def test_south_up_labels_are_flipped(warp):  # pitfall 45
    place = Affine(30, 0, WEST, 0, 30, NORTH - 60)
    assert warp([[3, 4], [1, 2]], chip(2, 2), place=place)[0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("method", ["nearest", "mode"])
def test_labels_of_another_reference_system_match_gdal(warp, method):
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 200, (60, 60)).astype(np.uint8)
    place = Affine(0.0006, 0, 8.99, 0, -0.0006, 36.15)
    target = np.zeros((25, 25), np.uint8)
    grid = chip(25, 25, west=WEST + 200, north=NORTH - 200)
    reproject(labels, target, src_transform=place, src_crs="EPSG:4326", dst_transform=grid.transform,
              dst_crs="EPSG:32632", resampling=Resampling.nearest)  # fmt: skip
    values, valid = warp(labels, grid, method=method, crs=crs_wkt("EPSG:4326"), place=place)
    assert valid.all()
    assert (values == target).mean() > (0.99 if method == "nearest" else 0.9)  # GDAL approximates positions


def test_large_labels_are_read_in_strips(warp, monkeypatch):
    labels = np.random.default_rng(0).integers(0, 5, (90, 90)).astype(np.uint8)
    whole = warp(labels, chip(30, 30))
    monkeypatch.setattr(label_warp, "MOST_PIXELS", 500)
    assert_array_equal(warp(labels, chip(30, 30)), whole)


def test_labels_elsewhere_give_nothing(warp):
    assert not warp([[1]], chip(2, 2, west=WEST + 9000))[1].any()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"place": Affine(30, 5, WEST, 5, -30, NORTH)}, "is rotated; warp it"),
        ({"crs": None}, "no coordinate reference system"),
        ({"place": Affine.identity()}, "no transform"),
    ],
)
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_labels_without_a_certain_place_are_refused(warp, options, problem):  # pitfall 45
    with pytest.raises(RasterError, match=problem):
        warp([[1]], chip(1, 1), **options)


def test_labels_of_two_layers_are_refused(warp):
    with pytest.raises(RasterError, match="has 2 layers; label rasters have one"):
        warp(np.zeros((2, 3, 3), np.uint8), chip(1, 1))
