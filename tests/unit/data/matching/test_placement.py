import numpy as np
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.matching.placement import cells, place_points, scene_frame, tile_frame
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from tests.items import TILES, tile_grid

FRAMES = [tile_frame(tile, tile_grid(tile)) for tile in TILES]


def lonlat(tile, row, column):
    """Longitude and latitude of a position in a tile, pixels."""
    grid = tile_grid(tile)
    [lon], [lat] = transform_coordinates(grid.crs, WGS84, *grid.to_crs([row], [column]))
    return lon, lat


def test_a_point_lies_in_its_cell():  # pitfalls 40, 41
    [place] = place_points([lonlat("32TPM", 1000.5, 500.5)], FRAMES, size=224, centre=False)
    assert (place.tile, place.row, place.column) == ("T32TPM", 896, 448)  # 4 x 224, 2 x 224
    origin = tile_grid("32TPM").transform
    assert place.grid.transform == Affine(30, 0, origin.c + 448 * 30, 0, -30, origin.f - 896 * 30)


def test_the_last_cell_is_moved_inward():
    [place] = place_points([lonlat("32TPM", 3655, 100)], FRAMES, size=224, centre=False)
    assert (place.row, place.column) == (3660 - 224, 0)


def test_a_chip_around_its_point_is_moved_inward_at_the_edge():
    centre, edge = place_points(
        [lonlat("32TPM", 1000.5, 500.5), lonlat("32TPM", 20.5, 500.5)], FRAMES, size=224, centre=True
    )
    assert (centre.row, centre.column) == (1000 - 112, 500 - 112)
    assert (edge.row, edge.column) == (0, 388)


def test_points_where_tiles_overlap_lie_in_the_tile_that_holds_them_deepest():  # pitfalls 42, 43
    rng = np.random.default_rng(0)
    # 328 columns are shared: from column 3332 of the first tile on.
    points = [lonlat("32TPM", row, column) for row, column in rng.uniform((200, 3332), (3400, 3660), (1000, 2))]
    places = place_points(points, FRAMES[:2], size=224, centre=False)
    [west, east] = [sum(place.tile == tile for place in places) for tile in ("T32TPM", "T32TQM")]
    assert west + east == 1000
    assert 400 < west < 600
    for (lon, lat), place in zip(points, places, strict=True):
        [x], [y] = transform_coordinates(WGS84, place.grid.crs, [lon], [lat])
        row, column = place.grid.from_crs(x, y)
        assert 0 <= row < 224
        assert 0 <= column < 224
        tile = tile_grid(place.tile[1:])
        assert 0 <= place.row <= tile.height - 224
        assert 0 <= place.column <= tile.width - 224
        assert_array_equal(tile.window(place.row, place.column, 224, 224).transform, place.grid.transform)


def test_points_near_a_zone_border_lie_in_one_zone():  # pitfall 42
    points = [(12 + offset, 43.9) for offset in np.linspace(-0.09, 0.09, 50)]
    places = place_points(points, FRAMES, size=224, centre=False)
    assert None not in places
    assert {place.tile for place in places} <= {"T32TQM", "T33TTG"}


def test_a_point_without_a_tile():
    assert place_points([(50.0, 0.0)], FRAMES, size=224, centre=False) == [None]
    assert place_points([lonlat("32TPM", 5, 5)], FRAMES, size=4000, centre=False) == [None]  # larger than a tile


def test_both_sides_of_the_antimeridian():  # pitfall 44
    east = Grid(crs_wkt("EPSG:32601"), Affine(30, 0, 300000, 0, -30, 7400000), 3660, 3660)
    west = Grid(crs_wkt("EPSG:32660"), Affine(30, 0, 600000, 0, -30, 7400000), 3660, 3660)
    frames = [tile_frame("01WXX", east), tile_frame("60WXX", west)]
    lat = east.center_lat_lon()[0]
    tiles = [place.tile for place in place_points([(-179.98, lat), (179.98, lat)], frames, size=224, centre=False)]
    assert len(tiles) == 2
    assert place_points([(181.0 - 360, lat)], frames, size=224, centre=False)[0] is not None


def test_scenes_of_one_lattice_share_rows_and_columns():
    wkt = crs_wkt("EPSG:32632")
    first = scene_frame(Grid(wkt, Affine(30, 0, 600015, 0, -30, 4900005), 1000, 1000))
    later = scene_frame(Grid(wkt, Affine(30, 0, 600015 + 90, 0, -30, 4900005 - 60), 1000, 1000))
    assert first.tile == later.tile
    assert (later.row - first.row, later.column - first.column) == (2, 3)
    other = scene_frame(Grid(wkt, Affine(30, 0, 600000, 0, -30, 4900005), 1000, 1000))
    assert other.tile != first.tile


def test_cells_cover_a_tile():
    grid = Grid(crs_wkt("EPSG:32632"), Affine(30, 0, 600000, 0, -30, 4900020), 500, 448)
    places = cells(tile_frame("32TPM", grid), 224)
    assert [(place.row, place.column) for place in places] == [
        (0, 0), (0, 224), (224, 0), (224, 224), (276, 0), (276, 224),
    ]  # fmt: skip
