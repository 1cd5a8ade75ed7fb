"""Measure memory, seconds and bytes of maps of an area; see area_maps.md. Usage: area_maps.py memory|reading.

memory: peak memory of `instageo map --area` of a whole tile, on sparse images of Sentinel-2, at 30 m and at 10 m.
reading: seconds and bytes of the composite of a whole tile of HLS behind a server that waits 20 ms before each answer.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

sys.path.insert(0, str(Path(__file__).parents[1]))

from instageo.data.sources.hls import S30
from instageo.data.sources.sentinel2 import CODES, RESOLUTION_M
from instageo.sensors import PRITHVI_BANDS
from tests import faulty_server
from tests.integration.maps import train_small
from tests.items import TILES, record_of

TILE, TILE_M, DELAY_S, RUNS = "32TPM", 109_800, 0.02, 3
AROUND = "10.1,43.2,11.7,44.3"
"""Box around the tile."""

DAYS = ("2024-05-01", "2024-05-16")


def write(path: Path, values: np.ndarray | None, pixel: float, dtype: str, no_data: float | None) -> None:
    """Write a file of a tile; without values only one block in a hundred has pixels."""
    side, (code, west, north) = round(TILE_M / pixel), TILES[TILE]
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=side, width=side, dtype=dtype, tiled=True, blockxsize=512,
        blockysize=512, crs=f"EPSG:{code}", transform=Affine(pixel, 0, west, 0, -pixel, north), compress="deflate",
        nodata=no_data, SPARSE_OK="TRUE",
    ) as file:  # fmt: skip
        if values is not None:
            file.write(values, 1)
            return
        rng, step = np.random.default_rng(0), round(10_240 / pixel)
        for row in range(0, side, 4 * step):
            for column in range(0, side, 4 * step):
                height, width = (min(round(2560 / pixel), side - start) for start in (row, column))
                block = rng.integers(1500, 4000, (1, height, width)) if dtype != "uint8" else np.full(
                    (1, height, width), 4
                )  # fmt: skip
                window = rasterio.windows.Window(column, row, width, height)
                file.write(block.astype(dtype), window=window)


def write_list(folder: Path, records: list, catalog: str) -> Path:
    """Write the list of images."""
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "catalog": catalog, "features": records}))
    return path


def sparse_images(folder: Path) -> Path:
    """Write two images of Sentinel-2 that are nearly empty."""
    records = []
    for day in DAYS:
        record = record_of(TILE, day, collection="sentinel-2-l2a", size=10_980, assets=(), **{
            "s2:processing_baseline": "05.10"
        })  # fmt: skip
        for band in (*PRITHVI_BANDS, "SCL"):
            asset = CODES.get(band, band)
            pixel = 20.0 if band == "SCL" else RESOLUTION_M.get(band, 20.0)
            write(folder / f"{day}_{asset}.tif", None, pixel, "uint8" if band == "SCL" else "uint16", 0)
            record["assets"][asset] = {"href": f"{day}_{asset}.tif"}
        records.append(record)
    return write_list(folder, records, "planetary")


def full_images(folder: Path, base: str) -> Path:
    """Write two images of HLS with noise everywhere; clouds cover half of each, in blocks of 20 pixels."""
    records, rng, side = [], np.random.default_rng(0), 3660
    for day in DAYS:
        record = record_of(TILE, day, assets=())
        for code in (*(S30[band] for band in PRITHVI_BANDS), "Fmask"):
            if code == "Fmask":
                values = rng.choice([64, 2], (side // 20, side // 20)).repeat(20, 0).repeat(20, 1).astype(np.uint8)
            else:
                values = rng.integers(1500, 2500, (side, side)).astype(np.int16)
            write(folder / f"{day}_{code}.tif", values, 30, values.dtype.name, 255 if code == "Fmask" else -9999)
            record["assets"][code] = {"href": f"{base}/{day}_{code}.tif"}
        records.append(record)
    return write_list(folder, records, base)


def measure_memory(work: Path) -> None:
    """Print peak memory and seconds of maps of a tile, and of one so small that it shows what the program takes."""
    network, listed = train_small(work / "network"), None
    (work / "images").mkdir()
    listed = sparse_images(work / "images")
    areas = {"a box of 2 km": "10.30,44.20,10.325,44.218", "the tile": AROUND}
    for name, area in areas.items():
        for resolution in ("30", "10"):
            for run in range(RUNS):
                out = work / f"{name[:5]}_{resolution}_{run}"
                command = [
                    sys.executable, "-c", MAIN, "map", network, "--area", area, "--date", "/".join(DAYS), "--source",
                    "sentinel2", "--catalog", listed, "--resolution", resolution, "--overlap", "0", "-o", out,
                ]  # fmt: skip
                begun = time.perf_counter()
                done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
                seconds = time.perf_counter() - begun
                peak = [line for line in done.stderr.splitlines() if line.startswith("peak ")]
                print(f"{name}, {resolution} m: status {done.returncode}, {peak[0]}, {seconds:.1f} s", flush=True)
                if done.returncode:
                    print(done.stderr[-2000:])


MAIN = """
import resource, sys
sys.argv[0] = "instageo"
from instageo.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB", file=sys.stderr)
"""


def measure_reading(work: Path) -> None:
    """Print seconds and megabytes of the composite of a tile, without and with the cache, by threads."""
    from instageo.area_maps.map_tiles import prepare_area
    from instageo.area_maps.preparation.area_scene import AreaScene
    from instageo.area_maps.request import AreaOutput, AreaRequest, parse_days
    from instageo.data.composites.composite_rows import CompositeRows
    from instageo.model.map_jobs.trained_model import load_model

    predictor = load_model(str(train_small(work / "network")))
    (work / "images").mkdir()
    with faulty_server.running(work / "images", DELAY_S) as port:
        listed = full_images(work / "images", f"http://127.0.0.1:{port}")
        request = AreaRequest(AROUND, (parse_days("/".join(DAYS)),), catalog=str(listed))

        def read(scene: AreaScene, threads: int) -> None:
            composite = scene.composite()
            with CompositeRows(composite, slice(0, composite.grid.width), threads=threads) as rows:
                for start in range(0, composite.grid.height, composite.strip_rows):
                    rows.read(start, min(start + composite.strip_rows, composite.grid.height))

        for threads in (1, 8, 8, 8, 16):
            os.environ["INSTAGEO_CACHE"] = str(work / f"cache{time.time_ns()}")
            for kind in ("empty", "full"):
                before = len(faulty_server.log(port))
                [scene] = prepare_area(predictor, request, AreaOutput(work / "out"), keep_list=False).scenes
                begun, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
                read(scene, threads)
                seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
                entries = faulty_server.log(port)[before:]
                used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
                print(
                    f"{threads} threads, {kind} cache: {seconds:.1f} s, {used:.1f} CPU s, {len(entries)} requests, "
                    f"{sum(entry[3] for entry in entries) / 1e6:.1f} MB", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("INSTAGEO_CACHE", f"{folder}/cache")
        {"memory": measure_memory, "reading": measure_reading}[sys.argv[1]](Path(folder))
