"""Requests and time for reading chips at a URL: GDAL's defaults compared with `instageo.gdal_access.GDAL_OPTIONS`.

python benchmarks/remote_chips.py [--delay 0.03] [--threads 2] [--chips 24] [--side 128]

A server on this machine answers after the delay. Each chip is read as in the check of a table: header, then pixels.
Each round reads chips that were not read before, because GDAL caches what it has read.
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
    """Read remote files with other options inside this block."""
    before, gdal_access.GDAL_OPTIONS = gdal_access.GDAL_OPTIONS, dict(chosen)
    try:
        yield
    finally:
        gdal_access.GDAL_OPTIONS = before


def read(location: str) -> None:
    """Read a chip as the check of a table does."""
    read_info(location)
    read_raster(location, range(6))


def main() -> None:
    """Print a table: option, requests per chip, chips per second (mean, minimum and maximum of three rounds)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chips", type=int, default=24)
    parser.add_argument("--side", type=int, default=128)
    args = parser.parse_args()
    rng, grid = np.random.default_rng(0), Grid("EPSG:32614", Affine(30, 0, 0, 0, -30, 0), args.side, args.side)
    with tempfile.TemporaryDirectory() as folder, running(folder, args.delay) as port:
        for name, chosen in CASES.items():
            rates, num_requests = [], 0
            for turn in range(3):
                subfolder = f"{name}_{turn}".replace(" ", "_")
                files = [f"{subfolder}/{number}.tif" for number in range(args.chips)]
                for file in files:
                    values = rng.integers(0, 4000, (6, args.side, args.side)).astype(np.int16)
                    write_raster(Path(folder, file), values, grid)
                before, start = len(requests(port)), time.perf_counter()
                with options(chosen), ThreadPoolExecutor(args.threads) as pool:
                    list(pool.map(read, [f"http://127.0.0.1:{port}/{file}" for file in files]))
                rates.append(args.chips / (time.perf_counter() - start))
                num_requests += len(requests(port)) - before
            spread = f"{statistics.mean(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"
            print(f"| {name} | {num_requests / args.chips / 3:.1f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
