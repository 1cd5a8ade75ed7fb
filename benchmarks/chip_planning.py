"""CPU time and memory for planning chips, for the check of a resumed run, and for merging windows.

python benchmarks/chip_planning.py [--observations 100000] [--chips 100000]

Planning: points at random in 10 tiles and one year, 3 dates, an image every 5 days, from a table and a frozen list of
items, with the estimate from 64 headers. Resuming: the journal and the files of finished chips, each with a label.
Merging: 2,000 windows at random in one tile. Each runs in a process of its own; no network.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

sys.path.insert(0, str(Path(__file__).parents[1]))

from instageo.data.chip_creation import plan_chips
from instageo.data.chip_settings import ChipSettings
from instageo.data.output.journal import JOURNAL, ChipJournal, Finished
from instageo.raster.chip_windows.windows import PixelWindow, merge_windows
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates

SIDE, PIXEL_M, CRS = 3660, 30, "EPSG:32632"
TILES = {f"32T{'KLMNP'[x]}{'MN'[y]}": (300_000 + 100_000 * x, 4_900_020 + 100_000 * y)
         for x in range(5) for y in range(2)}  # fmt: skip
BANDS = ("B02", "B03", "B04", "B8A", "B11", "B12", "Fmask")
FIRST, DAYS = date(2024, 1, 1), 365
LEAD_DAYS = 80
"""Days before the first observation from which images are needed."""


def write_catalog(folder: Path) -> None:
    """Write files without pixels and the list of their items."""
    (folder / "files").mkdir(parents=True)
    features = []
    for tile, (left, top) in TILES.items():
        transform = Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top)
        empty = folder / f"{tile}.tif"
        with rasterio.open(
            empty, "w", driver="GTiff", count=1, height=SIDE, width=SIDE, dtype="int16", crs=CRS, transform=transform,
            tiled=True, blockxsize=256, blockysize=256, SPARSE_OK=True,
        ):  # fmt: skip
            pass
        west, south, east, north = Grid(crs_wkt(CRS), transform, SIDE, SIDE).bounds_lonlat() or (0, 0, 0, 0)
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        for offset in range(-LEAD_DAYS, DAYS, 5):
            day = FIRST + timedelta(offset)
            assets = {band: {"href": f"files/{tile}_{day}_{band}.tif"} for band in BANDS}
            for asset in assets.values():
                os.link(empty, folder / asset["href"])
            features.append({
                "type": "Feature", "stac_version": "1.0.0", "id": f"HLS.S30.T{tile}.{day}", "collection": "hls2-s30",
                "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]}, "links": [],
                "assets": assets, "properties": {
                    "datetime": f"{day}T10:15:59Z", "platform": "sentinel-2a", "eo:cloud_cover": 5, "proj:code": CRS,
                    "proj:shape": [SIDE, SIDE], "proj:transform": list(transform)[:6], "grid:code": f"MGRS-{tile}",
                },
            })  # fmt: skip
    content = {"type": "FeatureCollection", "catalog": "planetary", "features": features}
    (folder / "items.json").write_text(json.dumps(content))


def write_points(path: Path, count: int) -> None:
    """Write points at random in the tiles and in the year."""
    rng = np.random.default_rng(0)
    xs, ys = rng.uniform(305_000, 800_000, count), rng.uniform(4_800_000, 4_995_000, count)
    lons, lats = transform_coordinates(crs_wkt(CRS), WGS84, xs.tolist(), ys.tolist())
    days = [FIRST + timedelta(int(day)) for day in rng.integers(0, DAYS, count)]
    lines = [
        f"{lat:.6f},{lon:.6f},{day},{n % 2}" for n, (lat, lon, day) in enumerate(zip(lats, lons, days, strict=True))
    ]
    path.write_text("lat,lon,date,label\n" + "\n".join(lines) + "\n")


def plan(folder: Path) -> str:
    """Plan chips and return what the command prints first."""
    settings = ChipSettings(
        str(folder / "points.csv"), str(folder / "out"), catalog=str(folder / "items.json"), steps=3
    )
    report = plan_chips(settings)
    return f"{report.lines()[0]}; {report.reading.summary() if report.reading else ''}"


def write_finished(folder: Path, count: int) -> None:
    """Write the journal and the files, of one byte each, of finished chips."""
    lines = []
    for name in ("chips", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        name = f"T32TPM_20240516_{number:08}"
        files = {f"chips/chip_{name}.tif": 1, f"labels/label_{name}.tif": 1}
        row = {"Input": f"chips/chip_{name}.tif", "Label": f"labels/label_{name}.tif", "dates": "2024-05-16",
               "lat": 43.8, "lon": 10.8, "tile": "T32TPM", "items": "HLS.S30.T32TPM", "valid_1": 1.0}  # fmt: skip
        for path in files:
            (folder / path).write_bytes(b"x")
        lines.append(Finished(name, files, row).line())
    (folder / JOURNAL).write_text("".join(lines))


def resume(folder: Path) -> str:
    """Check the journal of a resumed run."""
    return f"{len(ChipJournal(folder, is_resumed=True).finished)} chips finished"


def merge(folder: Path) -> str:  # noqa: ARG001
    """Merge windows of 64 pixels in a tile with blocks of 64, which is harder than windows that fill the tile."""
    corners = np.random.default_rng(0).integers(0, SIDE - 64, (2000, 2)).tolist()
    return f"{len(merge_windows(tuple(PixelWindow(row, column, 64, 64) for row, column in corners), (64, 64)))} windows"


WORK: dict[str, Callable[[Path], str]] = {"plan": plan, "resume": resume, "merge": merge}


def run(name: str, folder: Path) -> None:
    """Do one piece of work in this process, and print its CPU time, seconds and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, began = time.process_time(), time.perf_counter()
    result = WORK[name](folder)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"| {name} | {cpu:.1f} | {seconds:.1f} | {memory / 1e3:.0f} ({before / 1e3:.0f}) | {result} |\n")


def main() -> None:
    """Write what is needed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--chips", type=int, default=100_000)
    parser.add_argument("--only", nargs=2, metavar=("NAME", "FOLDER"), help="one piece of work, in this process")
    options = parser.parse_args()
    if options.only:
        run(options.only[0], Path(options.only[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_catalog(folder)
        write_points(folder / "points.csv", options.observations)
        write_finished(folder / "chips", options.chips)
        print("| work | CPU seconds | seconds | MB (before) | result |\n|---|---|---|---|---|", flush=True)
        for work, own in (("plan", folder), ("resume", folder / "chips"), ("merge", folder)):
            subprocess.run([sys.executable, __file__, "--only", work, str(own)], check=True)


if __name__ == "__main__":
    main()
