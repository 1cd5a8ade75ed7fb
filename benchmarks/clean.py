"""Speed of `instageo clean` on one core, beside reading and decoding the same files and nothing else.

OMP_NUM_THREADS=1 python benchmarks/clean.py [--chips 300] [--repeats 5] [--profile]

Chips are int16, six bands, 224 pixels, written as `instageo chips` writes them, with labels. All times are CPU time of
the process, so that other work on the machine matters less. Rounds of each kind take turns.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

from instageo.data import CleanSettings
from instageo.data.chip_facts.layout import chip_layout
from instageo.data.chip_facts.measure import ChipMeasurer, measure_chips
from instageo.data.chip_facts.rows import UncheckedTable, read_chip_table
from instageo.data.cleaning.checks import run_checks
from instageo.data.cleaning.finding import MeasuredTable
from instageo.raster.grid import Grid
from instageo.raster.reading import LOCAL_OPTIONS
from instageo.raster.writing import write_raster
from instageo.table import write_table

SIZE, BANDS, NOISE = 224, ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"), 6.0


def write_chips(folder: Path, number: int, *, located: bool) -> Path:
    """Write chips of smooth ground with a little noise, which compress to half as real ones do, and their table."""
    rng = np.random.default_rng(1)
    scene = _smooth(rng, 1024)
    crs, rows = CRS.from_epsg(32632).to_wkt(), []
    for index in range(number):
        row, column = rng.integers(0, 1024 - SIZE, 2)
        ground = scene[:, row : row + SIZE, column : column + SIZE]
        values = np.rint(ground + rng.normal(size=ground.shape) * NOISE).clip(1).astype(np.int16)
        place = Affine(30, 0, 300_000 + 7000 * (index % 60), 0, -30, 5_500_000 - 7000 * (index // 60))
        grid = Grid(crs, place, SIZE, SIZE) if located else Grid(None, Affine.identity(), SIZE, SIZE)
        write_raster(folder / f"chips/{index}.tif", values, grid, no_data_value=-9999, bands=BANDS)
        label = (ground[3:4] > 2500).astype(np.int16)
        write_raster(folder / f"labels/{index}.tif", label, grid, no_data_value=-1)
        rows.append({"Input": f"chips/{index}.tif", "Label": f"labels/{index}.tif"})
    write_table(folder / "chips.csv", rows)
    return folder / "chips.csv"


def _smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    layers = []
    for level in (400, 600, 700, 2500, 2000, 1200):
        spectrum = np.fft.fft2(rng.normal(size=(size, size))) / np.maximum(frequency, 1 / size) ** 1.8
        field = np.fft.ifft2(spectrum).real
        layers.append(level * (1 + 0.3 * field / field.std()))
    return np.stack(layers)


def decode(table: UncheckedTable, *, labels: bool) -> None:
    """Open and decode all files, and do nothing with them."""
    with rasterio.Env(**LOCAL_OPTIONS):
        for row in table.rows:
            for path in (row.input, row.label if labels else None):
                if path:
                    with rasterio.open(path) as file:
                        file.read()


def cpu_ms(call: Callable[[], object], number: int) -> float:
    """Return the CPU time of a call by chip, milliseconds."""
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start) / number


def main() -> None:
    """Print a table of CPU times, and on request a profile."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--chips", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--unlocated", action="store_true", help="chips without coordinates")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_chips(Path(folder), arguments.chips, located=not arguments.unlocated)
        size = sum(file.stat().st_size for file in (Path(folder) / "chips").iterdir()) / arguments.chips
        settings = CleanSettings(str(path), threads=1)
        table, layout = read_chip_table(str(path)), chip_layout(settings, {})
        measurer = ChipMeasurer(settings, layout, table.labels_are_files)
        bare = UncheckedTable(table.location, table.folder, table.columns, table.rows, labels_are_files=False)
        facts = list(measure_chips(measurer, table.rows, 1))
        kinds: dict[str, Callable[[], object]] = {
            "rasterio: chips alone": lambda: decode(bare, labels=False),
            "rasterio: chips and labels": lambda: decode(table, labels=True),
            "read and measured": lambda: list(measure_chips(measurer, table.rows, 1)),
            "checks of the table": lambda: run_checks(MeasuredTable(facts, settings, layout)),
        }
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(arguments.repeats):
            for name, call in kinds.items():
                taken[name].append(cpu_ms(call, arguments.chips))
        print(f"{arguments.chips} chips of {size / 1000:.0f} kB\n\n| | CPU ms a chip | chips/s |\n|---|---|---|")
        for name, values in taken.items():
            middle = statistics.median(values)
            print(f"| {name} | {middle:.2f} ({min(values):.2f}-{max(values):.2f}) | {1000 / middle:.0f} |")
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(lambda: [measurer.measure(row) for row in table.rows])
            pstats.Stats(profile).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
