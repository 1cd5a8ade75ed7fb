"""Chips cut from a scene: every pixel once, on the grid of the scene, and a reason for each chip that is dropped."""

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS

from instageo.data.scene_chips.cut_chips import CutReport, cut_chips
from instageo.errors import RasterError
from instageo.raster.reading import read_info, read_raster

SCENE = np.arange(2 * 5 * 7, dtype=np.int16).reshape(2, 5, 7)
LABEL = (np.arange(5 * 7).reshape(5, 7) % 3).astype(np.uint8)


def test_chips_join_to_the_scene(make_raster, tmp_path, grid):  # pitfalls 2, 16, 20
    scene = make_raster("scene.tif", SCENE, no_data_value=-1, bands=["RED", "NIR"])
    label = make_raster("label.tif", LABEL, no_data_value=255)
    report = cut_chips(scene, label, tmp_path / "cut", size=3)
    assert [(chip.row, chip.column) for chip in report.chips] == [(0, 0), (0, 3), (0, 6), (3, 0), (3, 3), (3, 6)]
    assert report.dropped == {}
    joined, joined_label = np.full_like(SCENE, -9), np.full_like(LABEL, 99)
    for chip in report.chips:
        image, truth = read_raster(tmp_path / "cut" / chip.input), read_raster(tmp_path / "cut" / chip.label)
        height, width = image.grid.shape
        assert image.grid == truth.grid == grid(5, 7).window(chip.row, chip.column, height, width)
        assert image.bands == ("RED", "NIR")
        joined[:, chip.row : chip.row + height, chip.column : chip.column + width] = image.values
        joined_label[chip.row : chip.row + height, chip.column : chip.column + width] = truth.values[0]
    assert_array_equal(joined, SCENE)
    assert_array_equal(joined_label, LABEL)


@pytest.mark.parametrize(("kind", "tag"), [("int16", -9999), ("float32", -9999.0), ("float32", float("nan"))])
def test_no_data_stays_no_data(make_raster, tmp_path, kind, tag):
    values = SCENE.astype(kind)
    values[0, 0, 0] = tag
    scene, label = make_raster("scene.tif", values, no_data_value=tag), make_raster("label.tif", LABEL)
    report = cut_chips(scene, label, tmp_path / "cut", size=7)
    chip = tmp_path / "cut" / report.chips[0].input
    assert_array_equal(read_info(chip).no_data_value, tag)
    assert np.argwhere(~read_raster(chip).valid).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(("min_labelled", "num_chips"), [(0.0, 3), (0.25, 2), (0.5, 2), (0.51, 1), (1.0, 1)])
def test_chips_without_enough_usable_pixels_are_counted(make_raster, tmp_path, min_labelled, num_chips):  # pitfall 39
    image, truth = np.ones((2, 2, 6), np.int16), np.ones((2, 6), np.uint8)
    image[1, 0, 2:4] = -1  # second chip: one band lacks half of the pixels
    truth[:, 4:] = 255  # third chip: no label
    scene = make_raster("scene.tif", image, no_data_value=-1)
    label = make_raster("label.tif", truth, no_data_value=255)
    report = cut_chips(scene, label, tmp_path / "cut", size=2, min_labelled=min_labelled)
    assert len(report.chips) == num_chips == len(list((tmp_path / "cut" / "chips").iterdir()))
    assert report.dropped == ({} if num_chips == 3 else {f"under {min_labelled:.0%} usable pixels": 3 - num_chips})


def test_class_counts_are_those_of_usable_pixels(make_raster, tmp_path):  # pitfalls 6, 11
    image, truth = np.ones((2, 1, 6), np.int16), np.array([[3, 3, 7, 255, 7, 7]], dtype=np.uint8)
    image[1, 0, 4] = -1
    scene = make_raster("scene.tif", image, no_data_value=-1)
    label = make_raster("label.tif", truth, no_data_value=255)
    report = cut_chips(scene, label, tmp_path / "cut", size=3)
    assert [chip.class_counts for chip in report.chips] == [{3: 2, 7: 1}, {7: 1}]


def test_the_summary_gives_the_reasons():
    assert CutReport((), {"too dark": 2, "no label": 1}).summary() == (
        "kept 0 chips, dropped 3: {'too dark': 2, 'no label': 1}"
    )


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (LABEL[:, :6], {}),
        (LABEL, {"transform": Affine(30, 0, 500_030, 0, -30, 4_000_000)}),
        (LABEL, {"crs": CRS.from_epsg(32618).to_wkt()}),  # the same numbers, 6 degrees further east
    ],
)
def test_a_label_on_another_grid_is_refused(make_raster, tmp_path, values, options):
    scene, label = make_raster("scene.tif", SCENE), make_raster("label.tif", values, **options)
    with pytest.raises(RasterError, match=r"label\.tif: does not lie on the grid of .*scene\.tif"):
        cut_chips(scene, label, tmp_path / "cut", size=3)
