"""Areas by tile: borders, zones of UTM, longitude 180, holes, small and large areas."""

import json

import numpy as np
import pytest
import shapely
from shapely.geometry import box, shape

from instageo.area_maps.preparation.area import read_area
from instageo.area_maps.preparation.area_tiles import MAX_SIDE, divide_area
from instageo.area_maps.preparation.image_search import NoImageError
from instageo.area_maps.request import AreaRequest, parse_days
from instageo.data.matching.scenes import find_scenes
from instageo.data.sources.sources import find_source
from instageo.errors import DataError
from instageo.raster.rasterizing import PolygonMask
from instageo.raster.warp import WGS84, transform_coordinates
from tests.items import DATE_LINE, TILES, item_of, tile_grid

PAIR = ("32TPM", "32TQM")
"""Two tiles of one zone."""

DAYS = (parse_days("2024-05-01/2024-05-16"),)


def divide(area, tiles=TILES, *, resolution=None, context=0, **options):
    scenes = scenes_of([item_of(tile) for tile in tiles])
    return divide_area(
        area, scenes, AreaRequest("unused", DAYS, **options), resolution=resolution, context=context
    )  # fmt: skip


def scenes_of(items, source="hls"):
    own = find_source(source)
    return find_scenes(
        items, own, own.products["planetary"], own.bands, max_cloud=100.0, stated=None, grid_of=None
    )  # fmt: skip


def polygons(tmp_path, geometry):
    path = tmp_path / "area.geojson"
    feature = {"type": "Feature", "properties": {"name": "a"}, "geometry": shapely.geometry.mapping(geometry)}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return read_area(str(path))


def place(tile, row, column, height, width, pixel=30):
    """Return a box of pixels of a tile in degrees, its edges in steps of at most a pixel or a hundredth."""
    grid = tile_grid(tile)
    outline = box(column, row, column + width, row + height).segmentize(max(height, width) / 100)
    points = shapely.get_coordinates(outline)
    xs, ys = grid.to_crs(points[:, 1], points[:, 0])
    lons, lats = transform_coordinates(grid.crs, WGS84, list(xs), list(ys))
    return shapely.Polygon(list(zip(lons, lats, strict=True)))


def shown(tile):
    return PolygonMask(tile.shown, tile.grid).window(slice(0, tile.grid.height), slice(0, tile.grid.width))


def test_an_area_inside_a_tile_is_the_smallest_window_with_its_context(tmp_path):
    area = polygons(tmp_path, place("32TPM", 100.2, 200.2, 49.6, 29.6))
    for context in (0, 16):
        [tile] = divide(area, context=context)
        assert tile.name == "T32TPM"
        assert tile.grid.matches(
            tile_grid("32TPM").window(100 - context, 200 - context, 50 + 2 * context, 30 + 2 * context)
        )  # fmt: skip
        assert shown(tile).sum() == 50 * 30


def test_context_ends_at_the_border_of_the_tile(tmp_path):
    [tile] = divide(polygons(tmp_path, place("32TPM", 3.2, 5.2, 9.6, 9.6)), context=16)
    assert tile.grid.matches(tile_grid("32TPM").window(0, 0, 13 + 16, 15 + 16))


@pytest.mark.parametrize(("height", "width"), [(0.9, 40), (40, 0.9), (0.8, 0.9), (1.2, 1.2)])
def test_areas_of_a_pixel_or_a_line_of_pixels(tmp_path, height, width):
    [tile] = divide(polygons(tmp_path, place("32TPM", 100.05, 200.05, height, width)))
    assert tile.grid.shape == (np.ceil(height + 0.05), np.ceil(width + 0.05))
    assert shown(tile).sum() == round(height) * round(width)


def test_an_area_of_less_than_half_a_pixel_is_refused(tmp_path):
    area = polygons(tmp_path, place("32TPM", 100.1, 200.1, 0.5, 0.5))
    with pytest.raises(
        NoImageError, match=r"area\.geojson: has 225 m², less than half a pixel of 30 m; choose a larger"
    ):
        divide(area)


@pytest.mark.parametrize("west", [-60.0, 20.0, 100.0])
def test_an_area_outside_all_tiles_is_refused(west):
    with pytest.raises(NoImageError, match="no image touches the area from 2024-05-01/2024-05-16; the images are from"):
        divide(read_area(f"{west},10,{west + 1},11"))


def test_an_area_that_ends_at_a_border_needs_one_tile(tmp_path):
    """The left half of 32TQM lies in 32TPM's right 328 columns (9.84 km); the area begins where 32TPM ends."""
    inside = 109_800 - 99_960
    area = polygons(tmp_path, place("32TQM", 1000, inside / 30, 50, 50))
    assert [tile.name for tile in divide(area, PAIR)] == ["T32TQM"]
    area = polygons(tmp_path, place("32TQM", 1000, inside / 30 - 10, 50, 50))  # 10 columns lie in both
    assert [tile.name for tile in divide(area, PAIR)] == ["T32TQM"]
    area = polygons(tmp_path, place("32TQM", 1000, -10, 50, 50))  # 10 columns lie in 32TPM alone
    assert [tile.name for tile in divide(area, PAIR)] == ["T32TPM"]


def test_a_tile_that_has_other_passes_stays(tmp_path):
    area = polygons(tmp_path, place("32TQM", 1000, 100, 50, 50))  # in both tiles
    items = [item_of("32TPM"), item_of("32TQM", "2024-05-02")]
    tiles = divide_area(area, scenes_of(items), AreaRequest("unused", DAYS), resolution=None, context=0)
    assert sorted(tile.name for tile in tiles) == ["T32TPM", "T32TQM"]


def test_zones_of_utm_have_a_tile_each(tmp_path):
    """Across 12° E: what 32TQM and 33TTG show together is all of the area."""
    area = read_area("11.8,43.9,12.2,44.0")
    tiles = divide(area)
    assert {tile.name for tile in tiles} == {"T33TTG", "T32TQM"}
    parts = [
        shapely.transform(shape(tile.shown), lambda points, crs=tile.grid.crs: np.stack(
            transform_coordinates(crs, WGS84, points[:, 0].tolist(), points[:, 1].tolist()), axis=1
        ))
        for tile in tiles
    ]  # fmt: skip
    rest = area.geometry.segmentize(0.002) - shapely.union_all(parts)
    assert rest.area < 1e-6 * area.geometry.area


def test_an_area_across_longitude_180_has_a_tile_on_each_side():
    area = read_area("179.6,0.3,-179.6,0.7")
    tiles = divide(area, DATE_LINE)
    assert sorted(tile.name for tile in tiles) == ["T01NAA", "T60NZF"]
    for tile in tiles:
        mask = shown(tile)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.97  # a slightly turned box
        lat, lon = zip(*tile.grid.lat_lon_at(*np.argwhere(mask)[::997].T), strict=True)
        east = np.array(lon) % 360
        assert (min(east) >= 179.6 - 1e-3) & (max(east) <= 180.4 + 1e-3)
        assert (min(lat) >= 0.3 - 1e-3) & (max(lat) <= 0.7 + 1e-3)


def test_polygons_with_holes_and_far_apart(tmp_path):
    parts = [place("32TPM", 100.2, 200.2, 49.6, 49.6), place("32TPM", 3000.2, 3000.2, 19.6, 19.6)]
    hole = place("32TPM", 110.2, 210.2, 9.6, 9.6)
    [tile] = divide(polygons(tmp_path, shapely.MultiPolygon([parts[0] - hole, parts[1]])), PAIR[:1])
    mask = shown(tile)
    assert mask.sum() == 50 * 50 - 10 * 10 + 20 * 20
    assert not mask[10:20, 10:20].any()
    assert tile.grid.shape == (3020 - 100, 3020 - 200)


@pytest.mark.parametrize("resolution", [10.0, 60.0, 70.0, 90.0])
def test_pixels_of_another_size_begin_at_the_corner_of_the_tile(tmp_path, resolution):
    [tile] = divide(polygons(tmp_path, place("32TPM", 100.2, 200.2, 60, 60)), resolution=resolution)
    own, whole = tile.grid.transform, tile_grid("32TPM").transform
    assert (own.a, -own.e) == (resolution, resolution)
    assert (own.c - whole.c) % resolution == (whole.f - own.f) % resolution == 0
    assert shown(tile).sum() * resolution**2 == pytest.approx(1800**2, rel=0.1)


def test_a_part_that_is_too_large_is_refused(tmp_path):
    area = polygons(tmp_path, place("32TPM", 10, 10, 3600, 3600))
    with pytest.raises(DataError, match=rf"T32TPM: the area has \d+ x \d+ pixels there; expected at most {MAX_SIDE}"):
        divide(area, PAIR[:1], resolution=2.0)
    assert len(divide(area, PAIR[:1], resolution=3.0)) == 1


def test_images_are_preferred_by_clouds_and_then_by_time(tmp_path):
    """An image whose clouds are unknown comes last."""
    clouds = {"2024-05-01": 20, "2024-05-05": 5, "2024-05-09": None, "2024-05-13": 5}
    items = [item_of("32TPM", day, **{"eo:cloud_cover": cloud}) for day, cloud in clouds.items()]
    area = polygons(tmp_path, place("32TPM", 100, 100, 50, 50))
    for composite, days in {
        "clearest": [13, 5, 1, 9], "newest": [13, 9, 5, 1], "none": [13], "median": [13, 9, 5, 1]
    }.items():  # fmt: skip
        request = AreaRequest("unused", DAYS, composite=composite)
        [tile] = divide_area(area, scenes_of(items), request, resolution=None, context=0)
        assert [scene.day.day for scene in tile.images[0]] == days


def test_a_date_without_an_image_is_refused(tmp_path):
    area = polygons(tmp_path, place("32TPM", 100, 100, 50, 50))
    request = AreaRequest("unused", (DAYS[0], parse_days("2024-06-01")))
    with pytest.raises(NoImageError, match="2024-05-16, 2024-06-01 for each of them; the images are from 2024-05-01"):
        divide_area(area, scenes_of([item_of("32TPM")]), request, resolution=None, context=0)


def test_a_box_to_the_pole_is_one_sentence():
    for text in ("0,60,179,90", "0,-90,10,-89"):
        with pytest.raises(DataError) as caught:
            divide(read_area(text), resolution=None)
        assert "\n" not in str(caught.value)
