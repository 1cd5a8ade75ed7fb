"""Requests and bytes foretold from headers, and those that a server then counts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from instageo.data.reading.estimate import estimate
from instageo.data.reading.fetch import fetch
from instageo.data.reading.requests import AssetRead
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt
from tests import faulty_server

TRANSFORM = Affine(30, 0, 600_000, 0, -30, 5_000_000)
SIDE = 1024
GRID = Grid(crs_wkt("EPSG:32632"), TRANSFORM, SIDE, SIDE)
LAYOUTS = {"tiled": {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}, "cog": {"driver": "COG"}}


class Plain:
    """Access without signatures."""

    def __init__(self, base):
        self.base = base

    def location(self, href, *, renew=False):
        return f"{self.base}/{href}"

    def gdal_options(self, href):
        return {}

    def explain(self, href, reason):
        return f"{href}: {reason}"


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_server_counts_what_was_foretold(tmp_path, layout):
    """Acceptance 2 asks for 10 % of the bytes and 5 % of the requests. Deflated noise; two clusters."""
    values = np.random.default_rng(0).integers(0, 900, (SIDE, SIDE)).astype(np.int16)
    extra = {"blocksize": 256, "overviews": "none"} if layout == "cog" else {}
    for name in ("a.tif", "b.tif"):
        with rasterio.open(
            tmp_path / name, "w", count=1, height=SIDE, width=SIDE, dtype="int16", crs="EPSG:32632",
            transform=TRANSFORM, compress="deflate", **LAYOUTS[layout], **extra,
        ) as file:  # fmt: skip
            file.write(values, 1)
    root = Path(__file__).parents[4]
    command = "from tests.unit.data.reading.test_estimate import count; import sys; count(sys.argv[1])"
    done = subprocess.run(  # in a process whose GDAL has read nothing yet
        [sys.executable, "-c", command, tmp_path], cwd=root, capture_output=True, text=True, check=True
    )
    foretold, counted = json.loads(done.stdout)
    assert foretold["requests"] == pytest.approx(counted["requests"], rel=0.05)
    assert foretold["bytes"] == pytest.approx(counted["bytes"], rel=0.1)


def count(folder):
    """Print what is foretold of reading five windows of two files, and what a server counts."""
    places = [(0, 0), (30, 200), (200, 140), (700, 700), (690, 720)]
    grids = tuple(GRID.window(row, column, 100, 100) for row, column in places)
    reads = [AssetRead(name, grids) for name in ("a.tif", "b.tif")]
    with faulty_server.running(folder) as port:
        foretold = estimate(reads, Plain(f"http://127.0.0.1:{port}")).cost
    with faulty_server.running(folder) as port:  # another port, so that GDAL knows nothing yet
        for _, found in fetch(reads, Plain(f"http://127.0.0.1:{port}")):
            assert all(valid.all() for valid in found.valid)
        log = faulty_server.log(port)
    counted = {"requests": len(log), "bytes": sum(entry[3] for entry in log)}
    sys.stdout.write(json.dumps([{"requests": foretold.requests, "bytes": foretold.bytes}, counted]))


def test_figures_of_blocks_can_be_checked_by_hand(tmp_path):
    """Uncompressed: a block is 256 x 256 x 2 = 131,072 bytes. A chip lies in two blocks side by side."""
    with rasterio.open(
        tmp_path / "a.tif", "w", count=1, height=SIDE, width=SIDE, dtype="int16", crs="EPSG:32632", transform=TRANSFORM,
        **LAYOUTS["tiled"],
    ) as file:  # fmt: skip
        file.write(np.ones((1, SIDE, SIDE), dtype=np.int16))
    found = estimate([AssetRead("a.tif", (GRID.window(10, 200, 100, 100),))], Plain(str(tmp_path)))
    assert found.cost == ReadCost(
        requests=3, bytes=32_768 + 2 * 131_072, needed_bytes=2 * 131_072, blocks=2, windows=1, pixel_bytes=20_000
    )
    assert found.cost.wasted_share == pytest.approx(32_768 / (32_768 + 2 * 131_072))
    assert found.summary().startswith("3 requests, 0.3 MB in 1 readings of files; 11% of the bytes")


def test_files_that_are_not_opened_count_like_the_others(tmp_path):
    with rasterio.open(
        tmp_path / "a.tif", "w", count=1, height=SIDE, width=SIDE, dtype="int16", crs="EPSG:32632", transform=TRANSFORM,
        **LAYOUTS["tiled"],
    ) as file:  # fmt: skip
        file.write(np.ones((1, SIDE, SIDE), dtype=np.int16))
    reads = [AssetRead("a.tif", (GRID.window(10, 200, 100, 100),))] * 10
    found = estimate(reads[:2], Plain(str(tmp_path)), num_files=10, num_windows=10)
    assert (found.num_files, found.num_headers, found.num_failures) == (10, 2, 0)
    assert found.cost.requests == 30
    assert estimate([], Plain("")).cost == ReadCost()
    assert estimate([AssetRead("none.tif", reads[0].grids)], Plain(str(tmp_path))).num_failures == 1
