"""Chips of Sentinel-2: one ground in files with and without the offset of baseline 04.00 (acceptance case 5)."""

import json

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.chip_creation import create_chips
from instageo.data.chip_settings import ChipSettings
from instageo.data.sources.sentinel2 import EARTHSEARCH, RESOLUTION_M
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from instageo.raster.writing import write_raster
from instageo.sensors import PRITHVI_BANDS
from tests.items import read_csv, write_points

SIZE = 128
"""Side of the tile, pixels of 10 m."""

NEGATIVE, EMPTY = (4, 6), (9, 8)
"""Pixels, of 20 m, with a reflectance of -37, and without an observation."""

IMAGES = {
    "S2A_32TPM_20210501_0_L2A": ({"processing:version": "03.01"}, 0),
    "S2A_32TPM_20220501_0_L2A": ({"processing:version": "04.00"}, 1000),
    "S2A_32TPM_20180501_1_L2A": ({"processing:version": "05.00"}, 1000),
    "S2A_32TPM_20230501_0_L2A": ({"processing:version": "05.09", "earthsearch:boa_offset_applied": True}, 0),
    "S2A_32TPM_20240501_0_L2A": ({"processing:version": "05.10", "earthsearch:boa_offset_applied": False}, 1000),
}
"""Properties of each image, and what its stored values exceed the reflectance by."""


def grid_of(band):
    pixel = 10.0 if RESOLUTION_M.get(band) == 10 else 20.0
    side = int(SIZE * 10 / pixel)
    return Grid(crs_wkt("EPSG:32632"), Affine(pixel, 0, 600_000, 0, -pixel, 4_900_020), side, side)


def truth(band):
    """Reflectance x 10000 of a band, of its own size; -9999 without an observation."""
    number = [*PRITHVI_BANDS, "SCL"].index(band)
    rows, columns = np.mgrid[:64, :64]
    values = 200 + 1000 * number + rows + 2 * columns
    values[NEGATIVE] = -37
    values[EMPTY] = -9999
    zoom = grid_of(band).height // 64
    return np.kron(values, np.ones((zoom, zoom), int))


def record(folder, name, properties, offset):
    assets = {}
    for band in PRITHVI_BANDS:
        values = truth(band)
        stored = np.where(values == -9999, 0, np.maximum(values + offset, 1)).astype(np.uint16)
        write_raster(folder / f"{name}_{band}.tif", stored[None], grid_of(band))
        assets[EARTHSEARCH[band]] = {"href": f"{name}_{band}.tif"}
    classes = np.where(truth("SCL") == -9999, 0, 4).astype(np.uint8)
    write_raster(folder / f"{name}_SCL.tif", classes[None], grid_of("SCL"))
    assets["scl"] = {"href": f"{name}_SCL.tif"}
    left, bottom, right, top = 600_000, 4_900_020 - SIZE * 10, 600_000 + SIZE * 10, 4_900_020
    lons, lats = transform_coordinates("EPSG:32632", WGS84, [left, right, right, left], [bottom, bottom, top, top])
    ring = [list(pair) for pair in zip([*lons, lons[0]], [*lats, lats[0]], strict=True)]
    day = name.split("_")[2]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "bbox": [min(lons), min(lats), max(lons), max(lats)], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties | {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:15:59Z", "platform": "sentinel-2a", "eo:cloud_cover": 3,
            "grid:code": "MGRS-32TPM", "proj:code": "EPSG:32632",
        },
        "assets": assets,
    }  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """Report and rows of chips.csv and skipped.csv, of a point on the day of each image."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    records = [record(folder, name, *image) for name, image in IMAGES.items()]
    catalog = {"type": "FeatureCollection", "catalog": "earthsearch", "features": records}
    (folder / "items.json").write_text(json.dumps(catalog))
    [lon], [lat] = transform_coordinates("EPSG:32632", WGS84, [600_400], [4_899_500])
    days = [record["properties"]["datetime"][:10] for record in records]
    write_points(tmp_path / "points.csv", [(lat, lon, day, 1) for day in days])
    settings = ChipSettings(
        str(tmp_path / "points.csv"), str(tmp_path / "chips"), source="sentinel2", tolerance_days=1, size=SIZE,
        catalog=str(folder / "items.json"), collection="sentinel-2-l2a",
    )  # fmt: skip
    report = create_chips(settings)
    return report, read_csv(report.table), read_csv(report.folder / "skipped.csv")


def test_one_ground_gives_one_chip_whatever_the_baseline(made):  # case 5, pitfall 53
    report, rows, skipped = made
    assert [row["items"] for row in rows] == list(IMAGES)[:4]
    expected = np.stack([np.kron(truth(band), np.ones((SIZE // len(truth(band)),) * 2, int)) for band in PRITHVI_BANDS])
    for row, (_, offset) in zip(rows, IMAGES.values(), strict=False):
        chip = read_raster(report.folder / row["Input"], range(6))
        own = expected if offset else np.where(expected == -37, 1, expected)  # files without offset hold no negatives
        assert_array_equal(chip.values, own)
        assert_array_equal(chip.valid, expected != -9999)
    [refused] = skipped
    assert (refused["reason"], refused["date"]) == ("Sentinel-2 offset unknown", "2024-05-01")
    assert "S2A_32TPM_20240501_0_L2A: earthsearch:boa_offset_applied is false" in refused["detail"]
