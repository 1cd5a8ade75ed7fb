"""An area of real pixels at three dates, through a list of images: the map is that of the same pixels as one raster."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt
from tests.integration.maps import CODES, NO_DATA, UTM, read_layers, train_small, write_raster

CHIP = Path(__file__).parents[3] / "shared/data/hls_multitemporal/chips/loc026_017_076_117.tif"
DAYS = ("2018-03-01", "2018-06-01", "2018-09-01")
pytestmark = pytest.mark.skipif(not CHIP.exists(), reason="the shared data is not there")


def write_images(folder, values):
    """Write each date as an image of HLS, and return the path of the list, and the box around it."""
    grid = Grid(crs_wkt("EPSG:32632"), UTM, *values.shape[1:])
    west, south, east, north = grid.bounds_lonlat()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    records = []
    for number, day in enumerate(DAYS):
        layers = dict(zip(CODES, values[6 * number : 6 * number + 6], strict=True))
        layers["Fmask"] = np.full(grid.shape, 64, np.uint8)
        for code, layer in layers.items():
            no_data = 255 if code == "Fmask" else NO_DATA
            write_raster(folder / f"{day}_{code}.tif", layer[np.newaxis], no_data=no_data)
        records.append({
            "type": "Feature", "stac_version": "1.0.0", "id": f"HLS.{day}", "collection": "hls2-s30", "links": [],
            "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": f"{day}T10:00:00Z", "platform": "sentinel-2a", "grid:code": "MGRS-32TNP"},
            "assets": {code: {"href": f"{day}_{code}.tif"} for code in layers},
        })  # fmt: skip
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "catalog": "planetary", "features": records}))
    return path, f"{west - 0.01},{south - 0.01},{east + 0.01},{north + 0.01}"


def test_three_real_dates_are_mapped_as_one_raster_of_them(instageo, tmp_path):
    network = train_small(tmp_path / "network", num_dates=3, epochs=1)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(CHIP) as file:
        values = file.read()
    listed, box = write_images(tmp_path / "images", values)
    scene = write_raster(tmp_path / "scene.tif", values)
    days = [part for day in DAYS for part in ("--date", day)]
    status, _, err = instageo(
        "map", network, f"--area={box}", *days, "--catalog", listed, "-o", tmp_path / "out", "--probabilities"
    )
    assert status == 0, err
    assert instageo("map", network, scene, "-o", tmp_path / "scene_map.tif", "--probabilities")[0] == 0
    [path] = (tmp_path / "out" / "tiles").glob("T?????.tif")
    for name in ("", "_probabilities"):
        own, expected = (
            read_layers(each.with_name(f"{each.stem}{name}.tif")) for each in (path, tmp_path / "scene_map.tif")
        )
        np.testing.assert_array_equal(own, expected)
    numbers = read_layers(path.with_name(f"{path.stem}_coverage.tif"))
    assert [set(np.unique(layer)) for layer in numbers] == [{0}, {1}, {2}]
