"""Predictions as figures, as xarray, and as areas."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import DataError, MissingExtraError
from instageo.model.tasks.predictions import ClassPrediction, MultiLabelPrediction, RegressionPrediction
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from tests.tiffs import UTM_AREA_SCALE

CRS_WKT = CRS.from_epsg(32617).to_wkt()
UTM = Grid(CRS_WKT, Affine(30, 0, 500_000, 0, -30, 4_000_000), 2, 3)


def classes(grid=UTM, **options):
    values = np.array([[0, 1, 255], [1, 1, 0]], dtype=np.uint8)
    valid = values != 255
    probabilities = np.where(valid, np.stack([values == 0, values == 1]), np.nan).astype(np.float32)
    return ClassPrediction(values, probabilities, valid, 255, grid, **options)


def values(grid=UTM):
    numbers = np.array([[1.5, 2, np.nan], [3, 4, 5]], dtype=np.float32)
    return RegressionPrediction(numbers, np.isfinite(numbers), grid=grid)


def test_areas_by_hand():
    named = classes(class_names=("dry", "water"))
    assert named.areas() == pytest.approx({"dry": 2 * 0.09 / UTM_AREA_SCALE, "water": 3 * 0.09 / UTM_AREA_SCALE})
    assert named.areas("m2") == pytest.approx({"dry": 1800 / UTM_AREA_SCALE, "water": 2700 / UTM_AREA_SCALE})
    assert classes().areas("km2") == pytest.approx({"0": 0.0018 / UTM_AREA_SCALE, "1": 0.0027 / UTM_AREA_SCALE})


def test_areas_in_degrees_shrink_towards_the_poles():
    north = Grid(CRS.from_epsg(4326).to_wkt(), Affine(1, 0, 0, 0, -60, 60), 2, 3)  # rows 0..60 degrees north, and south
    areas = classes(north).areas("km2")
    row = 2 * np.pi * 6371.007**2 * np.sin(np.radians(60)) / 360  # of a sphere of the same surface
    assert areas["1"] == pytest.approx(3 * row, rel=2e-3)


def test_areas_need_a_place_and_a_known_unit():
    with pytest.raises(DataError, match="no georeference"):
        classes(Grid(None, Affine.identity(), 2, 3)).areas()
    with pytest.raises(DataError, match="has no grid"):
        classes(None).areas()
    with pytest.raises(ValueError, match="expected one of km2, ha, m2"):
        classes().areas("acre")


def test_predictions_of_whole_chips_are_not_maps(tmp_path):
    one, probabilities = np.ones((1, 1), np.uint8), np.full((2, 1, 1), 0.5, np.float32)
    chip = ClassPrediction(one, probabilities, one == 1, 255, UTM)
    with pytest.raises(DataError, match="whole chip is not a map"):
        chip.save(tmp_path / "map.tif")
    labels = MultiLabelPrediction(one[None], probabilities, one == 1, grid=UTM, class_names=("dry", "water"))
    with pytest.raises(DataError, match="cannot be written as a map"):
        labels.save(tmp_path / "map.tif")
    assert [label.get_text() for label in labels.plot().axes[0].get_yticklabels()] == ["dry", "water"]


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray with this affine
def test_data_arrays_have_coordinates_and_crs():
    import rioxarray  # noqa: F401

    array = classes(class_names=("dry land", "water")).to_xarray()
    assert array.dims == ("y", "x")
    assert array.x.values.tolist() == [500_015, 500_045, 500_075]
    assert array.y.values.tolist() == [3_999_985, 3_999_955]
    assert array.rio.crs.to_epsg() == 32617
    assert array.rio.transform() == UTM.transform
    assert array.rio.nodata == 255
    assert array.attrs["flag_meanings"] == "dry_land water"
    numbers = values().to_xarray()
    assert np.isnan(numbers.rio.nodata)
    np.testing.assert_array_equal(numbers.values, values().values)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray with this affine
def test_data_arrays_are_written_as_maps_are(tmp_path):
    import rioxarray  # noqa: F401

    classes().save(tmp_path / "own.tif")
    classes().to_xarray().rio.to_raster(tmp_path / "other.tif")
    own, other = read_raster(tmp_path / "own.tif"), read_raster(tmp_path / "other.tif")
    assert own.grid.matches(other.grid)
    assert own.values.tolist() == other.values.tolist()
    assert own.valid.tolist() == other.valid.tolist()


def test_data_arrays_of_arrays_and_of_rotated_grids():
    assert set(classes(None).to_xarray().coords) == set()
    rotated = Grid(CRS_WKT, Affine(21, 21, 500_000, 21, -21, 4_000_000), 2, 3)
    assert set(classes(rotated).to_xarray().coords) == {"spatial_ref"}


def test_xarray_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(MissingExtraError, match=r"instageo-model\[xarray\]"):
        classes().to_xarray()


def test_figures_have_the_colours_of_the_classes():
    figure = classes(class_names=("dry", "water"), class_colors=[[10, 20, 30], [40, 50, 60]]).plot()
    [image] = figure.axes[0].get_images()
    assert image.get_array().tolist() == [
        [[10, 20, 30], [40, 50, 60], [225, 225, 225]],
        [[40, 50, 60], [40, 50, 60], [10, 20, 30]],
    ]
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["dry", "water", "no data"]
    assert image.get_extent() == [500_000, 500_090, 3_999_940, 4_000_000]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_figures_of_values_have_a_scale():
    figure = values(None).plot()
    [image] = figure.axes[0].get_images()
    assert image.get_array().mask.tolist() == [[False, False, True], [False, False, False]]
    assert len(figure.axes) == 2


def test_a_drawn_map_is_shown_by_pyplot_and_a_program_that_draws_many_keeps_one():
    from matplotlib import pyplot

    pyplot.close("all")
    figures = [classes().plot() for _ in range(25)]  # pyplot warns of more than 20
    assert pyplot.get_fignums() == [figures[-1].number]
    assert pyplot.gcf() is figures[-1]
    own = pyplot.figure()
    classes().plot()
    assert pyplot.fignum_exists(own.number)  # the user's figures stay
    assert figures[0]._repr_png_().startswith(b"\x89PNG")
    pyplot.close("all")


@pytest.mark.parametrize("name", ["map.png", "map.jpg", "map.npy"])
def test_a_map_is_not_written_under_the_name_of_another_format(tmp_path, name):
    with pytest.raises(
        DataError, match=rf"{name}: a map is written as GeoTIFF; name it \.tif, or write a picture with"
    ):
        classes().save(tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["map.tif", "map.TIFF", "map"])
def test_names_of_a_geotiff(tmp_path, name):
    classes().save(tmp_path / name)
    assert (tmp_path / name).read_bytes()[:2] == b"II"
