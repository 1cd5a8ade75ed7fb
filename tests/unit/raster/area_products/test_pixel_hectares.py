"""Areas of pixels, to a millionth."""

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_allclose
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.area_products.pixel_hectares import PixelHectares
from instageo.raster.area_products.smooth_fields import evaluate_field
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import compute_pixel_areas
from tests.unit.raster.area_products.area_reference import CORNERS


def wkt(code):
    return CRS.from_epsg(code).to_wkt()


GRIDS = {
    "centre of UTM": (32633, Affine(10, 0, 499_980, 0, -10, 5_200_020)),
    "edge of UTM at the equator": (32633, Affine(10, 0, 699_960, 0, -10, 100_020)),
    "edge of UTM at 80 degrees": (32633, Affine(10, 0, 300_000, 0, -10, 8_900_020)),
    "60 degrees south": (32733, Affine(10, 0, 399_960, 0, -10, 3_400_000)),
    "70 degrees in Web Mercator": (3857, Affine(30, 0, 1e6, 0, -30, 11e6)),
    "polar stereographic": (3995, Affine(30, 0, -5e5, 0, -30, 1e6)),
    "equal-area, coarse": (3035, Affine(250, 0, 3e6, 0, -250, 4e6)),
    "rotated": (32614, Affine(24, 18, 5e5, 18, -24, 4e6)),
    "feet": (2264, Affine(100, 0, 1.5e6, 0, -100, 6e5)),
    "over the antimeridian": (32601, Affine(30, 0, 1e5, 0, -30, 6e6)),
    "degrees": (4326, Affine(0.001, 0, 10, 0, -0.001, 60)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_areas_are_those_of_geodesic_polygons(name):
    pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
    code, affine = GRIDS[name]
    geod, to_lonlat = pyproj.Geod(ellps="WGS84"), pyproj.Transformer.from_crs(code, 4326, always_xy=True)
    grid = Grid(wkt(code), affine, 4000, 4000)
    rng = np.random.default_rng(0)
    for top, left in ((0, 0), (2976, 2976)):
        hectares = PixelHectares(grid, name).window(range(top, top + 1024), range(left, left + 1024))
        assert hectares.shape == (1024, 1024)
        for row, column in [(0, 0), (1023, 1023), *rng.integers(0, 1024, (8, 2)).tolist()]:
            points = [affine @ (left + column + x, top + row + y) for x, y in CORNERS]
            expected = abs(geod.polygon_area_perimeter(*to_lonlat.transform(*zip(*points, strict=True)))[0]) / 1e4
            # Sides of geodesic polygons are straight lines on the ellipsoid; those of coarse pixels are not.
            assert hectares[row, column] == pytest.approx(expected, rel=1e-6)


def test_areas_agree_with_those_of_whole_maps():
    """At the edge of a zone, where the scale changes most from pixel to pixel."""
    grid = Grid(wkt(32633), Affine(10, 0, 199_980, 0, -10, 5_200_020), 3000, 500)
    hectares, areas = PixelHectares(grid, "map").window(range(3000), range(500)), compute_pixel_areas(grid)
    assert_allclose(hectares, 100 * areas.km2.repeat(np.diff(areas.column_ends), axis=1), rtol=3e-6)


def test_areas_around_a_pole():
    """The map is true at 71 degrees; at the pole its scale is that of Snyder (1987), 21-32 to 21-35."""
    grid = Grid(wkt(3995), Affine(100, 0, -25_600, 0, -100, 25_600), 512, 512)
    hectares = PixelHectares(grid, "pole").window(range(512), range(512))
    assert hectares.max() / hectares.min() < 1.0001
    sine, eccentricity = np.sin(np.radians(71)), np.sqrt(2 / 298.257223563 - 1 / 298.257223563**2)
    m = np.cos(np.radians(71)) / np.sqrt(1 - (eccentricity * sine) ** 2)
    t = np.tan(np.radians(9.5)) * ((1 + eccentricity * sine) / (1 - eccentricity * sine)) ** (eccentricity / 2)
    scale = m / t * np.sqrt((1 + eccentricity) ** (1 + eccentricity) * (1 - eccentricity) ** (1 - eccentricity)) / 2
    assert hectares[255, 256] == pytest.approx(1 / scale**2, rel=1e-7)


def test_a_field_that_no_polynomial_fits_is_computed_exactly():
    def field(rows, columns):
        steps = np.floor(rows)[:, None] + 100 * np.floor(columns)
        return np.stack([np.where(steps % 7 == 3, np.nan, steps), abs(rows[:, None] - 50) + 0 * columns])

    rows, columns = range(10, 80), range(3, 120)
    expected = field(np.array(rows) + 0.5, np.array(columns) + 0.5)
    assert_allclose(evaluate_field(field, rows, columns, 1e-9), expected)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(None, Affine(30, 0, 0, 0, -30, 0), 2, 2),
        Grid(wkt(4326), Affine.identity(), 2, 2),
        Grid(wkt(4326), Affine(1, 0.5, 0, 0.5, -1, 0), 2, 2),
        Grid(wkt(4326), Affine(float("nan"), 0, 0, 0, -1, 0), 2, 2),
        Grid(wkt(32617), Affine(0, 0, 5e5, 0, 0, 4e6), 2, 2),
        Grid(wkt(32617), Affine(1e-200, 0, 5e5, 0, -1e-200, 4e6), 2, 2),
        Grid(wkt(32617), Affine(1e8, 0, 0, 0, -1e8, 0), 2, 2),
        Grid(wkt(4326), Affine(1e308, 0, 0, 0, -1e308, 0), 2, 2),
    ],
)
def test_pixels_without_an_area_are_refused(grid):
    with pytest.raises(
        RasterError, match=r"map\.tif: (has no georeference, so|its grid is rotated in degrees, nowhere)"
    ):
        PixelHectares(grid, "map.tif")
