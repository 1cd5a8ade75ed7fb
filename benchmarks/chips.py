"""Time, requests and bytes for reading the pixels of chips behind URLs: the program, odc-stac, rasterio and rslearn.

python benchmarks/chips.py [--delays 0 0.03] [--rounds 3] [--rslearn PYTHON]

60 chips of 224 pixels lie in 6 clusters of one tile of 3660 x 3660 pixels (int16, deflate, blocks of 256), with 2 dates
of 7 assets each. A server on this machine answers after the delay: nginx if it is installed (see file_server.py). Every
run reads with a new process, since GDAL caches what it has read, and the ways take turns. The limit is the bytes of the
distinct blocks that the chips touch. PYTHON is the interpreter of an environment that has rslearn.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import file_server
from instageo.data.reading.fetch import fetch
from instageo.data.reading.pixel_source import PixelSource
from instageo.data.reading.requests import AssetRead
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.chip_windows.read_cost import read_cost
from instageo.raster.chip_windows.window_reading import FileWindows
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt

SIDE, CHIP, BLOCK = 3660, 224, 256
DATES, BANDS = ("d0", "d1"), ("B02", "B03", "B04", "B8A", "B11", "B12", "QA")
TRANSFORM = Affine(30, 0, 600_000, 0, -30, 4_900_020)
SPREAD, NOISE = 130, 20
"""Standard deviation of the chips' places in a cluster, pixels, and of the noise, chosen so that a tile has about as
many blocks with chips (56) and as many compressed bytes a block (72 kB) as the layout that the aims were set with."""

Values = dict[str, list[NDArray[np.generic]]]


def tile() -> Grid:
    """Return the grid of the tile."""
    return Grid(crs_wkt("EPSG:32632"), TRANSFORM, SIDE, SIDE)


def places() -> list[tuple[int, int]]:
    """Return row and column of the upper left pixels of the chips: 10 in each of 6 clusters."""
    rng = np.random.default_rng(0)
    centers = rng.integers(500, SIDE - CHIP - 500, (6, 2))
    offsets = rng.normal(0, SPREAD, (6, 10, 2))
    corners = np.clip(centers[:, None] + offsets, 0, SIDE - CHIP).astype(int).reshape(-1, 2)
    return [(int(row), int(column)) for row, column in corners]


def write_files(folder: Path) -> None:
    """Write the assets: smooth reflectance with the noise of a sensor."""
    rng = np.random.default_rng(1)
    coarse = rng.normal(0, 1, (SIDE // 60 + 1, SIDE // 60 + 1))
    smooth = coarse.repeat(60, 0).repeat(60, 1)[:SIDE, :SIDE]
    for date in DATES:
        for number, band in enumerate(BANDS):
            values = (1500 + 300 * number + 400 * smooth + rng.normal(0, NOISE, smooth.shape)).astype(np.int16)
            with rasterio.open(
                folder / f"{date}_{band}.tif", "w", driver="GTiff", count=1, height=SIDE, width=SIDE, dtype="int16",
                crs="EPSG:32632", transform=TRANSFORM, nodata=-9999, tiled=True, blockxsize=BLOCK, blockysize=BLOCK,
                compress="deflate", predictor=2,
            ) as file:  # fmt: skip
                file.write(values, 1)


class Direct:
    """Access to files on a server without signatures."""

    def location(self, href: str, *, renew: bool = False) -> str:  # noqa: ARG002
        """Return the URL."""
        return href

    def gdal_options(self, href: str) -> dict[str, str]:  # noqa: ARG002
        """Return no options."""
        return {}

    def explain(self, href: str, reason: str) -> str:
        """Return both."""
        return f"{href}: {reason}"


def urls(port: int) -> list[str]:
    """Return the addresses of the assets."""
    return [f"http://127.0.0.1:{port}/{date}_{band}.tif" for date in DATES for band in BANDS]


def read_ours(port: int, threads: int) -> Values:
    """Read as the program does."""
    grids = tuple(tile().window(row, column, CHIP, CHIP) for row, column in places())
    addresses, values = urls(port), {}
    for index, found in fetch(
        [AssetRead(url, grids) for url in addresses], Direct(), threads=threads, per_host=threads
    ):
        if not isinstance(found, FileWindows):
            raise SystemExit(found.message)
        values[addresses[index].rpartition("/")[2]] = list(found.values)
    return values


def read_batches(port: int, threads: int) -> Values:
    """Read as the program does where each chip is a batch, as chips of different tiles are."""
    addresses = urls(port)
    values: Values = {url.rpartition("/")[2]: [] for url in addresses}
    with PixelSource(Direct(), threads=threads) as pixels:
        for row, column in places():
            grids = (tile().window(row, column, CHIP, CHIP),)
            for index, result in pixels.read([AssetRead(url, grids) for url in addresses]):
                if not isinstance(result, FileWindows):
                    raise SystemExit(result.message)
                values[addresses[index].rpartition("/")[2]].extend(result.values)
    return values


def foretell(port: int) -> ReadCost:
    """Return what the program foretells from the headers."""
    grids = tuple(tile().window(row, column, CHIP, CHIP) for row, column in places())
    total = ReadCost()
    for url in urls(port):
        total += read_cost(url, grids)
    return total


def read_rasterio(port: int, threads: int) -> Values:
    """Open each asset anew for each chip, with GDAL told not to list folders."""

    def read(job: tuple[str, tuple[int, int]]) -> NDArray[np.generic]:
        url, (row, column) = job
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(url) as file:
            return file.read(1, window=((row, row + CHIP), (column, column + CHIP)))

    jobs = [(url, place) for url in urls(port) for place in places()]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(read, jobs))
    count = len(places())
    return {url.rpartition("/")[2]: found[n * count : (n + 1) * count] for n, url in enumerate(urls(port))}


def read_odc(port: int, threads: int) -> Values:
    """Load each chip by `odc.stac.load`, with its pool of threads."""
    import odc.stac
    import pystac
    from odc.geo.geobox import GeoBox

    items = []
    for number, date in enumerate(DATES):
        item = pystac.Item.from_dict(_record(port, date, f"2024-05-0{number + 1}T10:00:00Z"))
        item.set_collection(None)
        items.append(item)
    odc.stac.configure_rio(cloud_defaults=True)
    values: Values = {f"{date}_{band}.tif": [] for date in DATES for band in BANDS}
    for row, column in places():
        box = GeoBox((CHIP, CHIP), TRANSFORM @ Affine.translation(column, row), "EPSG:32632")
        loaded = odc.stac.load(items, bands=list(BANDS), geobox=box, dtype="int16", nodata=-9999, pool=threads)
        for number, date in enumerate(DATES):
            for band in BANDS:
                values[f"{date}_{band}.tif"].append(loaded[band].isel(time=number).to_numpy())
    return values


def read_rslearn(python: str, port: int, threads: int, folder: Path) -> tuple[Values, dict[str, float]]:
    """Read as rslearn's data sources do, each chip of each asset through a warped VRT; return the times, too."""
    jobs = {"urls": urls(port), "corners": places(), "side": CHIP, "transform": list(TRANSFORM)[:6],
            "crs": "EPSG:32632", "threads": threads}  # fmt: skip
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    script = Path(__file__).with_name("chips_rslearn.py")
    command = [python, str(script), str(folder / "jobs.json"), str(folder / "values.npz")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    with np.load(folder / "values.npz") as file:
        found = file["values"]
    names = [url.rpartition("/")[2] for url in urls(port)]
    return dict(zip(names, map(list, found), strict=True)), json.loads(done.stdout.splitlines()[-1])


def _record(port: int, date: str, when: str) -> dict[str, object]:
    transform = list(TRANSFORM)[:6]
    box = [10.0, 43.0, 12.0, 45.0]
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
    assets = {
        band: {"href": f"http://127.0.0.1:{port}/{date}_{band}.tif", "type": "image/tiff; application=geotiff",
               "roles": ["data"], "raster:bands": [{"data_type": "int16", "nodata": -9999}]}
        for band in BANDS
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": date, "collection": "tile", "bbox": box, "links": [],
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json",
                            "https://stac-extensions.github.io/raster/v1.1.0/schema.json"],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "assets": assets,
        "properties": {"datetime": when, "proj:epsg": 32632, "proj:shape": [SIDE, SIDE], "proj:transform": transform},
    }  # fmt: skip


WAYS: dict[str, tuple[Callable[[int, int], Values], int]] = {
    "the program, 8 threads": (read_ours, 8),
    "the program, 16 threads": (read_ours, 16),
    "the program, 1 thread": (read_ours, 1),
    "the program, 8 threads, a batch a chip": (read_batches, 8),
    "odc.stac.load per chip, pool of 8": (read_odc, 8),
    "odc.stac.load per chip, pool of 16": (read_odc, 16),
    "rasterio, open per chip, 8 threads": (read_rasterio, 8),
}

RSLEARN = "rslearn, data source per chip, 8 threads"


def measure(name: str, port: int, expected: Path, rslearn: str | None) -> None:
    """Read in one way, compare with the true pixels, and print wall and CPU seconds as JSON."""
    if name == RSLEARN:
        with tempfile.TemporaryDirectory() as folder:
            values, times = read_rslearn(str(rslearn), port, 8, Path(folder))
    else:
        way, threads = WAYS[name]
        if way is read_odc:
            import odc.stac  # noqa: F401 - the import is not timed
        start, cpu = time.perf_counter(), time.process_time()
        values = way(port, threads)
        times = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    wrong = 0
    for file, chips in values.items():
        with rasterio.open(expected / file) as source:
            truth = source.read(1)
        for chip, (row, column) in zip(chips, places(), strict=True):
            wrong += int((chip != truth[row : row + CHIP, column : column + CHIP]).sum())
    print(json.dumps({**times, "wrong": wrong}))


def main() -> None:
    """Print a table: way, delay, seconds (mean, minimum, maximum), CPU seconds, requests, MB, times the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delays", type=float, nargs="+", default=[0.0, 0.03])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--rslearn", metavar="PYTHON", help="interpreter of an environment that has rslearn")
    parser.add_argument("--python-server", action="store_true", help="serve by Python even if nginx is installed")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "PORT", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return measure(args.child[0], int(args.child[1]), Path(args.child[2]), args.rslearn)
    ways = [*args.ways, *([RSLEARN] if args.rslearn else [])]
    options = ["--rslearn", args.rslearn] if args.rslearn else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        with file_server.running(folder, compiled=not args.python_server) as server:
            cost = foretell(server.port)
        print(f"Served by {server.name}; limit {cost.needed_bytes / 1e6:.2f} MB in {cost.blocks:.0f} blocks")
        print(f"foretold {cost.bytes / 1e6:.2f} MB, {cost.requests:.0f} requests, {cost.wasted_share:.1%} wasted")
        for delay in args.delays:
            runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for _ in range(args.rounds):
                for way in ways:
                    with file_server.running(folder, delay, compiled=not args.python_server) as server:
                        runs[way].append(run_once(way, server, folder, options))
            for way in ways:
                print(row(way, delay, runs[way], cost), flush=True)
    return None


def run_once(way: str, server: file_server.FileServer, folder: Path, options: list[str]) -> dict[str, float]:
    """Measure one way in a new process; return its figures, and the requests and bytes that the server counted."""
    command = [sys.executable, __file__, "--child", way, str(server.port), str(folder), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    requests, num_bytes = server.transferred()
    return {**json.loads(done.stdout.splitlines()[-1]), "requests": requests, "bytes": num_bytes}


def row(way: str, delay: float, runs: list[dict[str, float]], cost: ReadCost) -> str:
    """Return the row of one way and delay."""
    mean = {name: statistics.mean(run[name] for run in runs) for name in ("wall_s", "cpu_s", "requests", "bytes")}
    seconds = [run["wall_s"] for run in runs]
    return (
        f"| {way} | {delay * 1000:.0f} | {mean['wall_s']:.2f} ({min(seconds):.2f}-{max(seconds):.2f}) "
        f"| {mean['cpu_s']:.2f} | {mean['requests']:.0f} | {mean['bytes'] / 1e6:.1f} "
        f"| {mean['bytes'] / cost.needed_bytes:.2f} | {sum(run['wrong'] for run in runs):.0f} |"
    )


if __name__ == "__main__":
    main()
