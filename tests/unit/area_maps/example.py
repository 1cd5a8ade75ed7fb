"""A small area at the border of two UTM zones with maps, coverage and hectares, whose pixels are known."""

from datetime import UTC, date, datetime

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from instageo.area_maps.area_table import (
    AreaTable,
    ChangeTable,
    ClassHectares,
    GainAndLoss,
    SeriesPoint,
    SeriesTable,
    Transition,
    ZoneTable,
)
from instageo.area_maps.request import AreaRequest, Days
from instageo.area_maps.results import AreaMaps, MappedImage, TileMap
from instageo.raster.area_products.changes import compare_maps
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info
from instageo.raster.writing import ClassLegend, write_raster

NAMES = ("Land", "Water", "Flooded crops")
COLORS = {0: (230, 224, 200), 1: (31, 119, 180), 2: (0, 158, 115)}

WEST, SOUTH, EAST, NORTH = 35.8, 0.1, 36.2, 0.4
"""The area: a box across longitude 36, the border of the zones 36 and 37, without a bite at its south-east."""

RING = [(WEST, SOUTH), (36.1, SOUTH), (36.1, 0.2), (EAST, 0.2), (EAST, NORTH), (WEST, NORTH), (WEST, SOUTH)]

HOSTILE = "</script><script>alert('x')</script>\"'&"
"""A name that breaks out of anything that is not escaped."""

DAYS = (20, 21, 24)


def class_at(longitude, latitude):
    """Class of a place: a river of water, 0.04 degrees wide, flooded crops in the north, land elsewhere."""
    river = np.abs(longitude - 36.0 - 0.5 * (latitude - 0.25)) < 0.02
    return np.where(river, 1, np.where(latitude > 0.33, 2, 0)).astype(np.uint8)


def image_at(longitude, latitude):
    """Number of the image of a place; 255 in a cloud around (35.9, 0.2), which no image shows."""
    cloud = np.hypot(longitude - 35.9, latitude - 0.2) < 0.04
    return np.where(cloud, 255, np.where(latitude < 0.25, 1, 0)).astype(np.uint8)


def inside(longitude, latitude):
    """Whether places lie in the area."""
    box = (longitude > WEST) & (longitude < EAST) & (latitude > SOUTH) & (latitude < NORTH)
    return box & ~((longitude > 36.1) & (latitude < 0.2))


def make_maps(folder, *, step=100.0, names=NAMES, request=None, values=False, images=None):
    """Write maps of both zones, which overlap at longitude 36, and return them."""
    folder.mkdir(exist_ok=True)
    tiles = []
    for number, (zone, tile, west, east) in enumerate(((36, "T36NZF", WEST, 36.03), (37, "T37NAA", 35.97, EAST))):
        transformer = Transformer.from_crs(4326, 32600 + zone, always_xy=True)
        xs, ys = transformer.transform([west, east, west, east], [SOUTH, SOUTH, NORTH, NORTH])
        left, top = np.floor(min(xs) / step) * step, np.ceil(max(ys) / step) * step
        height, width = int((top - min(ys)) / step) + 1, int((max(xs) - left) / step) + 1
        grid = Grid(CRS.from_epsg(32600 + zone).to_wkt(), Affine(step, 0, left, 0, -step, top), height, width)
        rows, columns = np.indices((height, width)) + 0.5
        longitude, latitude = transformer.transform(left + columns * step, top - rows * step, direction="INVERSE")
        within = inside(longitude, latitude) & (longitude >= west) & (longitude <= east)
        coverage = np.where(within, image_at(longitude, latitude), 255).astype(np.uint8)
        observed = coverage != 255
        if values:
            layer = np.where(observed, latitude * 100, np.nan).astype(np.float32)
            write_raster(folder / f"{tile}.tif", layer[None], grid, no_data_value=float("nan"), bands=["biomass"])
        else:
            classes = np.where(observed, class_at(longitude, latitude), 255).astype(np.uint8)
            write_raster(
                folder / f"{tile}.tif", classes[None], grid, no_data_value=255, legend=ClassLegend(names, COLORS)
            )
        write_raster(folder / f"{tile}_coverage.tif", coverage[None], grid, no_data_value=255)
        own = images or [
            MappedImage(f"S2B_{tile}_202611{day}", "sentinel-2-l2a", datetime(2026, 11, day, 8, 15 + index, tzinfo=UTC),
                        None if index == 2 else 12.5 + index, int((coverage == index).sum()))
            for index, day in enumerate(DAYS[number:] + DAYS[:number])
        ]  # fmt: skip
        tiles.append(TileMap(tile, folder / f"{tile}.tif", own, folder / f"{tile}_coverage.tif"))
    return AreaMaps(
        request=request or AreaRequest(
            "delta.geojson", (Days(date(2026, 11, 20), date(2026, 11, 26)),), mask=("cloud", "shadow")
        ),
        folder=folder,
        geometry={"type": "Polygon", "coordinates": [[list(point) for point in RING]]},
        tiles=tiles,
        model={
            "name": "flood-mapper", "version": "1.2.0", "checkpoint": "best.ckpt", "sha256": "ab" * 32,
            "architecture": "Prithvi EO 2.0 300M with UPerNet", "trained_on": "sen1floods11", "sensor": "sentinel-2",
            "bands": ["BLUE", "GREEN", "RED", "NARROW_NIR", "SWIR1", "SWIR2"], "resolution_m": 10, "dates": 1,
            "scores": {"mIoU": 0.83, "IoU Water": 0.79, "data": "test split, 90 chips"},
            "limits": ["the model was trained on images of 30 m; this map has pixels of 10 m"],
        },
        class_names=() if values else names,
        class_colors=() if values else tuple(
            "#{:02x}{:02x}{:02x}".format(*COLORS[number]) for number in range(len(names))
        ),
        command="instageo map flood-mapper --area delta.geojson --date 2026-11-20/2026-11-26 -o out",
    )  # fmt: skip


def zone(name, hectares, unobserved, geometry=None, names=NAMES):
    """A zone whose classes have so many hectares."""
    total = max(sum(hectares), 1e-9)
    rows = [
        ClassHectares(number, class_name, int(own * 100), own, own / total)
        for number, (class_name, own) in enumerate(zip(names, hectares, strict=True))
    ]
    return ZoneTable(name, sum(hectares), unobserved, rows, geometry=geometry)


def box(west, south, east, north):
    """A box as GeoJSON geometry."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def make_table(names=NAMES, zone_name="Northern district"):
    """Hectares that add up: 100,000 observed and 7,527 not."""
    return AreaTable(
        zone("the area", (68_766.0, 1_234.0, 30_000.0), 7_527.0, names=names),
        [
            zone(zone_name, (1_000.5, 234.0, 30_000.0), 0.0, box(35.82, 0.3, 36.18, 0.39), names),
            zone("Western district", (60_000.0, 1_000.0, 0.0), 7_000.0, box(35.82, 0.12, 35.95, 0.28), names),
            zone("Beyond", (0.0, 0.0, 0.0), 500.0, None, names),
        ],
        "area of each pixel on the ellipsoid WGS 84",
    )


def make_change_maps(maps, names=NAMES):
    """Write what has changed since all was the first class, next to maps, and return the paths."""
    paths = []
    for path in maps.maps:
        grid = read_info(path).grid
        with rasterio.open(path) as file:
            earlier = file.read()
        before = path.with_name(f"{path.stem}_before.tif")
        values = np.where(earlier == 255, 255, 0).astype(np.uint8)
        write_raster(before, values, grid, no_data_value=255, legend=ClassLegend(names, COLORS))
        paths.append(path.with_name(f"{path.stem}_changes.tif"))
        compare_maps(before, path, paths[-1])
    return paths


def make_changes(names=NAMES, maps=()):
    """Changes between two periods."""
    return ChangeTable(
        "2026-10-01/2026-10-07", "2026-11-20/2026-11-26",
        [Transition(names[0], names[1], 345.0), Transition(names[0], names[0], 60_000.0),
         Transition(names[1], names[0], 45.5)],
        [GainAndLoss(names[0], 45.5, 345.0), GainAndLoss(names[1], 345.0, 45.5)], 60_390.5, 1_000.0,
        maps,
    )  # fmt: skip


def make_series(names=NAMES):
    """Four dates, of which the third was observed too little."""
    points = [
        ("2026-09-01", 500.0, 0.98),
        ("2026-09-17", 700.0, 0.9),
        ("2026-10-03", 150.0, 0.3),
        ("2026-10-19", 1234.0, 1.0),
    ]
    return SeriesTable(
        [SeriesPoint(label, {names[0]: 90_000 - water, names[1]: water}, share) for label, water, share in points]
    )
