"""Requests and time that chips behind a URL cost: GDAL's defaults against `instageo.gdal_access.GDAL_OPTIONS`.

python benchmarks/remote_chips.py [--delay 0.03] [--threads 2] [--chips 24] [--side 128]

Chips lie on this machine, behind a server that answers after the delay. Each is read as training tables are checked:
its header, then its pixels. Each round reads chips that were not read before, since GDAL keeps what it has read.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from affine import Affine

sys.path.insert(0, str(Path(__file__).parents[1]))

from instageo import gdal_access
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from tests.http_server import requests, running

CASES: dict[str, Mapping[str, str]] = {
    "GDAL's defaults": {},
    "no listing of folders": {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"},
    "and a cache per file": {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "VSI_CACHE": "YES"},
    "as the program reads": gdal_access.GDAL_OPTIONS,
}


@contextmanager
def options(chosen: Mapping[str, str]) -> Iterator[None]:
    """Read remote files with other options for a while."""
    before, gdal_access.GDAL_OPTIONS = gdal_access.GDAL_OPTIONS, dict(chosen)
    try:
        yield
    finally:
        gdal_access.GDAL_OPTIONS = before


def read(location: str) -> None:
    """What the check of a table does with a chip."""
    read_info(location)
    read_raster(location, range(6))


def main() -> None:
    """Print a table: option, requests per chip, chips per second with the least and most of three rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chips", type=int, default=24)
    parser.add_argument("--side", type=int, default=128)
    given = parser.parse_args()
    rng, grid = np.random.default_rng(0), Grid("EPSG:32614", Affine(30, 0, 0, 0, -30, 0), given.side, given.side)
    with tempfile.TemporaryDirectory() as folder, running(folder, given.delay) as port:
        for name, chosen in CASES.items():
            rates, asked = [], 0
            for turn in range(3):
                place = f"{name}_{turn}".replace(" ", "_")
                files = [f"{place}/{number}.tif" for number in range(given.chips)]
                for file in files:
                    values = rng.integers(0, 4000, (6, given.side, given.side)).astype(np.int16)
                    write_raster(Path(folder, file), values, grid)
                before, start = len(requests(port)), time.perf_counter()
                with options(chosen), ThreadPoolExecutor(given.threads) as pool:
                    list(pool.map(read, [f"http://127.0.0.1:{port}/{file}" for file in files]))
                rates.append(given.chips / (time.perf_counter() - start))
                asked += len(requests(port)) - before
            spread = f"{statistics.mean(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"
            print(f"| {name} | {asked / given.chips / 3:.1f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
