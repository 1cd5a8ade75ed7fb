"""Areas of the classes of maps."""

import csv
import json

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.map_products.map_areas import measure_classes, write_areas
from instageo.raster.pixel_area import compute_pixel_areas
from instageo.raster.writing import ClassLegend
from tests.tiffs import UTM_AREA_SCALE

DEGREES, UTM, WEB_MERCATOR = (CRS.from_epsg(code).to_wkt() for code in (4326, 32617, 3857))


@pytest.mark.parametrize(("latitude", "expected"), [(0, 123.0907), (45, 87.6238), (60, 62.1680)])
def test_pixels_in_degrees_have_their_area_on_the_ellipsoid(latitude, expected):
    side = 0.0001
    grid = Grid(DEGREES, Affine(side, 0, 0, 0, -side, latitude + side), 1, 1)
    assert compute_pixel_areas(grid).km2[0, 0] * 1e6 == pytest.approx(expected, abs=5e-5)


def test_the_globe(make_raster):
    path = make_raster(
        "globe.tif", np.zeros((180, 360), np.uint8), crs=DEGREES, transform=Affine(1, 0, -180, 0, -1, 90)
    )
    assert measure_classes(path).hectares * 1e4 == pytest.approx(5.100656e14, rel=1e-7)


def test_grads_are_no_degrees():
    """A quarter of a hemisphere is 100 grads by 100 grads."""
    grid = Grid(CRS.from_epsg(4807).to_wkt(), Affine(100, 0, 0, 0, -100, 100), 1, 1)
    assert compute_pixel_areas(grid).km2[0, 0] * 1e6 == pytest.approx(5.100656e14 / 8, rel=1e-7)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_classes_are_counted_and_measured(make_raster, dtype):
    rng = np.random.default_rng(0)
    values = rng.choice(np.array([0, 1, 3, 255], dtype), (600, 301))
    legend = ClassLegend(["land", "water", "snow"])
    path = make_raster("map.tif", values, no_data_value=255, legend=legend)
    areas = measure_classes(path)
    assert [(area.number, area.name) for area in areas.classes] == [(0, "land"), (1, "water"), (2, "snow"), (3, "3")]
    assert [area.pixels for area in areas.classes] == [(values == number).sum() for number in range(4)]
    assert [area.hectares for area in areas.classes] == pytest.approx(
        [area.pixels * 0.09 / UTM_AREA_SCALE for area in areas.classes]
    )
    assert areas.no_data_pixels == (values == 255).sum()
    assert sum(area.share for area in areas.classes) == pytest.approx(1)
    assert areas.planar_scale == pytest.approx(UTM_AREA_SCALE)


def test_rows_in_degrees_have_areas_of_their_own(make_raster):
    values = np.repeat([[0], [1]], 512, axis=0).repeat(40, axis=1).astype(np.uint8)
    grid = {"crs": DEGREES, "transform": Affine(0.01, 0, 38, 0, -0.05, 60)}
    by_row = compute_pixel_areas(Grid(DEGREES, grid["transform"], 1024, 40)).km2[:, 0] * 100 * 40
    areas = measure_classes(make_raster("map.tif", values, **grid))
    assert [area.hectares for area in areas.classes] == pytest.approx([by_row[:512].sum(), by_row[512:].sum()])
    assert areas.classes[0].share < 0.5 < areas.classes[1].share  # rows further south are wider
    assert areas.planar_scale is None


def test_columns_of_a_wide_map_have_areas_of_their_own(make_raster):
    """The scale of UTM is 0.9996 (1 + x² / 2 R²) at the distance x from the central meridian (Snyder 1987, 8-11).

    R is the geometric mean of the radii of curvature at the equator.
    """
    values = np.repeat([[0, 1]], 600, axis=1).astype(np.uint8)  # 100 km to 150 km, and 150 km to 200 km from it
    transform = Affine(250 / 3, 0, 600_000, 0, -10, 50_000)
    areas = measure_classes(make_raster("map.tif", values, crs=UTM, transform=transform))
    for area, first_km in zip(areas.classes, (100, 150), strict=True):
        x_km = np.linspace(first_km, first_km + 50, 1001) / 0.9996
        scale = (0.9996 * (1 + x_km**2 / (2 * 6356.75**2))) ** 2
        planar = 600 * 250 / 3 * 10 / 1e4
        assert area.hectares == pytest.approx(planar * (1 / scale).mean(), rel=3e-5)


def test_a_rotated_map_in_metres_has_the_area_of_its_pixels(make_raster):
    path = make_raster("map.tif", np.zeros((3, 5), np.uint8), transform=Affine(24, 18, 5e5, 18, -24, 4e6))
    assert measure_classes(path).hectares == pytest.approx(15 * 0.09 / UTM_AREA_SCALE)


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"crs": DEGREES, "transform": Affine(1, 0.5, 0, 0.5, -1, 0)}, "rotated in degrees"),
    ],
)
def test_maps_without_a_place_have_no_hectares(make_raster, tmp_path, grid, reason):
    areas = measure_classes(make_raster("map.tif", np.array([[0, 1, 1, 1]], np.uint8), **grid))
    assert [area.hectares for area in areas.classes] == [None, None]
    assert [area.share for area in areas.classes] == [0.25, 0.75]
    assert (areas.hectares, reason in areas.method) == (None, True)
    write_areas(areas, tmp_path / "areas.json")
    assert (tmp_path / "areas.csv").read_text().splitlines()[1] == "0,0,1,,0.25"


def test_stretched_projections_have_true_areas(make_raster):
    """Web Mercator magnifies by 1 / cos² of the latitude, which is 60° at this northing; the ellipsoid changes 1 %.

    A pixel of 0.0001 degrees has 62.168 m² there, and is 11.132 m wide and 22.264 m high in this projection.
    """
    northing = 6378137 * np.log(np.tan(np.radians(45 + 60 / 2)))
    transform = Affine(11.13195, 0, 0, 0, -22.26390, northing)
    areas = measure_classes(make_raster("map.tif", np.zeros((2, 2), np.uint8), crs=WEB_MERCATOR, transform=transform))
    assert areas.planar_scale == pytest.approx(4, rel=0.01)
    assert areas.hectares == pytest.approx(4 * 62.1680e-4, rel=1e-5)


def test_areas_are_written_as_json_and_csv(make_raster, tmp_path):
    legend = ClassLegend(["dry, bare", "ውሃ"])
    path = make_raster("map.tif", np.array([[0, 1], [1, 255]], np.uint8), no_data_value=255, legend=legend)
    write_areas(measure_classes(path), tmp_path / "out" / "areas.json")
    record = json.loads((tmp_path / "out" / "areas.json").read_text())
    assert (record["map_name"], record["no_data_pixels"], record["valid_pixels"]) == ("map.tif", 1, 3)
    assert record["classes"][1] == {
        "number": 1,
        "name": "ውሃ",
        "pixels": 2,
        "hectares": pytest.approx(0.18 / UTM_AREA_SCALE),
        "share": pytest.approx(2 / 3),
    }
    with (tmp_path / "out" / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["name"], row["pixels"]) for row in rows] == [("0", "dry, bare", "1"), ("1", "ውሃ", "2")]


def test_a_map_without_a_valid_pixel(make_raster):
    path = make_raster("map.tif", np.full((2, 3), 255, np.uint8), no_data_value=255, legend=ClassLegend(["a", "b"]))
    areas = measure_classes(path)
    assert (areas.no_data_pixels, areas.hectares) == (6, 0)
    assert [area.share for area in areas.classes] == [0, 0]


def test_maps_of_values_have_no_classes(make_raster):
    with pytest.raises(RasterError, match=r"map\.tif: holds float32 values, but areas need a map of classes"):
        measure_classes(make_raster("map.tif", np.zeros((2, 2), np.float32)))


def test_broken_class_names_are_told(make_raster):
    path = make_raster("map.tif", np.zeros((2, 2), np.uint8), tags={"CLASS_NAMES": "land,water"})
    with pytest.raises(RasterError, match="CLASS_NAMES is 'land,water'"):
        measure_classes(path)
