"""Runs that write a map of random pixels piece by piece, go on where an earlier one has stopped, and join it."""

import hashlib
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from instageo.raster.grid import Grid
from instageo.raster.map_files.cog_join import join_pieces
from instageo.raster.map_files.layout import MapLayout
from instageo.raster.map_files.pieces import PieceStore

CRS_WKT = CRS.from_epsg(32617).to_wkt()


def map_grid(layout):
    return Grid(CRS_WKT, Affine(30, 0, 500_000, 0, -30, 4_000_000), layout.height, layout.width)


def random_pixels(layout, seed=0):
    """Pixels of a map, shape (L, H, W): patches with noise, and a part without data."""
    rng = np.random.default_rng(seed)
    shape = (layout.layers, layout.height, layout.width)
    patches = rng.integers(0, 4, (layout.layers, layout.height // 8 + 1, layout.width // 8 + 1))
    values = np.kron(patches, np.ones((1, 8, 8), int))[:, : shape[1], : shape[2]].astype(layout.dtype)
    noise = rng.random(shape) < 0.1
    values[noise] = rng.integers(0, 4, noise.sum())
    if layout.no_data is not None:
        values[:, shape[1] // 2 :, : shape[2] // 3] = layout.no_data
        values[rng.random(shape) < 0.05] = layout.no_data
    return values


def write_missing(store, pixels):
    """Write the pieces of full resolution that are missing; the overviews follow from them."""
    layout = store.layout
    for piece in store.missing():
        if piece.level == 0:
            rows, columns = layout.rows(piece.row), layout.columns(piece.column)
            store.write_rows(piece.column, piece.row, pixels[:, rows, columns])


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def run(folder, layout, **join_options):
    """Write a map, or go on with it, as one process would; return its path."""
    store = PieceStore(folder / "map.tif.parts", layout)
    store.repair()
    write_missing(store, random_pixels(layout))
    join_pieces(store, folder / "map.tif", grid=map_grid(layout), **join_options)
    return folder / "map.tif"


def run_and_kill(folder, layout, num_events):
    """Run in a process that kills itself before it opens, renames or removes a file for the nth time.

    Returns:
        Whether it was killed; otherwise the map is finished.
    """
    if process := os.fork():
        status = os.waitpid(process, 0)[1]
        assert status in (0, signal.SIGKILL), f"the run failed with status {status}"
        return status != 0
    remaining = num_events

    def count(event, arguments):
        nonlocal remaining
        if event in ("open", "os.rename", "os.remove") and str(folder) in str(arguments[0]):
            remaining -= 1
            if not remaining:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        run(folder, layout)
        os._exit(0)
    finally:
        os._exit(1)


def kill_in_turn(folder, layout, events):
    """Kill runs of one map after these numbers of events, and let one finish.

    Returns:
        How many were killed, and the SHA-256 of the map.
    """
    return sum(run_and_kill(folder, layout, int(number)) for number in events), [sha256(run(folder, layout))]


def kill_everywhere(folder, layout):
    """Kill a run before its first event, another one before its second, …; each is finished by one more run."""
    hashes = set()
    for number in itertools.count(1):
        own = folder / str(number)
        own.mkdir()
        killed = run_and_kill(own, layout, number)
        hashes.add(sha256(run(own, layout)))
        if not killed:
            return number - 1, hashes


def main():
    """Arguments: folder, rows, columns, panels, events of runs of one map; none for runs that are killed everywhere."""
    folder, height, width, num_panels, *events = sys.argv[1:]
    layout = MapLayout(int(height), int(width), num_panels=int(num_panels), block=16)
    killed, hashes = (kill_in_turn if events else kill_everywhere)(Path(folder), layout, *([events] if events else []))
    sys.stdout.write(" ".join([str(killed), *hashes]))


if __name__ == "__main__":
    main()
