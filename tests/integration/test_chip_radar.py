"""Chips of Sentinel-1 from a catalogue: scenes without tiles, float32 power, orbits in the table."""

import csv
import json

import numpy as np
from affine import Affine
from numpy.testing import assert_array_equal
from typer.testing import CliRunner

from instageo.cli import app
from instageo.data.chip_creation import create_chips
from instageo.data.chip_settings import ChipSettings
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from instageo.raster.writing import write_raster
from tests.items import write_points

SIDE = 400
ORIGINS = {"2024-05-04": (600_000, 4_900_000), "2024-05-16": (600_370, 4_899_420)}
"""West and north of the scene at two dates: 37 columns and 58 rows of 10 m apart."""


def write_scenes(folder):
    """Write power of VV and VH, and the list of the items; return the list, and the values and grids by date."""
    rng = np.random.default_rng(0)
    features, scenes = [], {}
    for day, (west, north) in ORIGINS.items():
        grid = Grid(crs_wkt("EPSG:32632"), Affine(10, 0, west, 0, -10, north), SIDE, SIDE)
        power = rng.gamma(4, 0.02, (2, SIDE, SIDE)).astype(np.float32)
        power[:, 100:104, 100:104] = -32768
        scenes[day] = grid, power
        west, south, east, north = grid.bounds_lonlat()
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        assets = {}
        for name, values in zip(("vv", "vh"), power, strict=True):
            assets[name] = {"href": f"files/{day}_{name}.tif"}
            write_raster(folder / assets[name]["href"], values[np.newaxis], grid, no_data_value=-32768)
        features.append({
            "type": "Feature", "stac_version": "1.0.0", "id": f"S1A_{day}", "collection": "sentinel-1-rtc", "links": [],
            "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "datetime": f"{day}T05:20:00Z", "platform": "sentinel-1a", "sat:orbit_state": "descending",
                "sat:relative_orbit": 168, "proj:code": "EPSG:32632", "proj:shape": [SIDE, SIDE],
                "proj:transform": list(grid.transform)[:6],
            },
            "assets": assets,
        })  # fmt: skip
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "catalog": "planetary", "features": features}))
    return path, scenes


def test_chips_are_the_pixels_of_both_dates(tmp_path, monkeypatch):  # pitfalls 40, 41, 54
    catalog, scenes = write_scenes(tmp_path / "catalog")
    crs = scenes["2024-05-04"][0].crs
    places = [(601_000, 4_898_800), (602_000, 4_897_900), (603_000, 4_897_000), (600_100, 4_899_900)]
    lons, lats = transform_coordinates(crs, WGS84, *zip(*places, strict=True))
    points = [(lat, lon, "2024-05-17", number % 2) for number, (lon, lat) in enumerate(zip(lons, lats, strict=True))]
    write_points(tmp_path / "points.csv", points)
    report = create_chips(ChipSettings(
        str(tmp_path / "points.csv"), str(tmp_path / "chips"), source="sentinel1", catalog=str(catalog), size=64,
        place="centre", steps=2, step_days=12, tolerance_days=2,
    ))  # fmt: skip
    assert report.chips == 3  # the second date does not cover the last point
    assert sum(report.skipped.values()) == 1
    with open(report.table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert (row["dates"], row["orbit_state"]) == ("2024-05-04;2024-05-16", "descending;descending")
        assert row["relative_orbit"] == "168;168"
        chip = read_raster(report.folder / row["Input"])
        assert chip.values.dtype == np.float32
        expected = []
        for grid, power in scenes.values():
            line, column = map(float, grid.from_crs(np.array(chip.grid.transform.c), np.array(chip.grid.transform.f)))
            assert (line, column) == (round(line), round(column))
            expected += [values[int(line) : int(line) + 64, int(column) : int(column) + 64] for values in power]
        assert_array_equal(chip.values, np.where(np.array(expected) == -32768, -9999, expected))

    monkeypatch.chdir(tmp_path)  # the settings beside the table say sensor, bands, dates and no-data value
    result = CliRunner().invoke(app, ["check", str(report.table), f"hydra.run.dir={tmp_path / 'checked'}"])
    assert result.exit_code == 0, result.stderr
