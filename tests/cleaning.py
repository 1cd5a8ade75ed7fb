"""Tables of chips that look like satellite images, with defects put in by name."""

import csv
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.table import write_table

BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")

GROUND = ((400, 600, 700, 3000, 2000, 1200), (350, 450, 300, 200, 100, 80), (900, 1300, 1700, 2300, 3300, 2900))
"""Reflectance x 10000 of vegetation, water and soil in the six bands."""


def smooth_noise(rng, size, smoothness):
    """Return a random field of size x size pixels with mean 0 and deviation 1, whose power falls with frequency."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) / np.maximum(frequency, 1 / size) ** smoothness
    field = np.fft.ifft2(spectrum).real
    return (field - field.mean()) / field.std()


def ground_chip(rng, size=64, steps=1):
    """Return a chip (T * 6, H, W), int16, of vegetation, water and soil, and its label (1, H, W) of classes."""
    classes = np.argmax([smooth_noise(rng, size, 1.5) for _ in GROUND], axis=0)
    shade = 1 + 0.15 * smooth_noise(rng, size, 1.2)
    layers = []
    for step in range(steps):
        season = 1 + 0.1 * step
        light = shade + 0.03 * smooth_noise(rng, size, 1.0)
        for band in range(len(BANDS)):
            ground = np.array([values[band] for values in GROUND])[classes]
            layers.append(ground * light * season + rng.normal(size=(size, size)) * 12)
    return np.rint(np.clip(layers, 1, 12_000)).astype(np.int16), classes[None].astype(np.int16)


UTM_32 = CRS.from_epsg(32632).to_wkt()


def chip_grid(number, size=64, crs=UTM_32):
    """Return the grid of a chip, far from those of other numbers."""
    row, column = divmod(number, 20)
    return Grid(crs, Affine(30, 0, 300_000 + 10_000 * column, 0, -30, 5_500_000 - 10_000 * row), size, size)


class ChipTableWriter:
    """Writes chips and labels below a folder, and the table of them."""

    def __init__(self, folder):
        self.folder, self.rows = folder, []

    def add(self, name, values, label, grid, *, label_grid=None, no_data=-9999, bands=None, **columns):
        """Write a chip, its label unless it is None, and its row."""
        usual = BANDS * (len(values) // 6) if len(values) % 6 == 0 else ()
        write_raster(self.folder / f"chips/{name}.tif", values, grid, no_data_value=no_data, bands=bands or usual)
        row = {"Input": f"chips/{name}.tif"}
        if label is not None:
            write_raster(self.folder / f"labels/{name}.tif", label, label_grid or grid, no_data_value=-1)
            row["Label"] = f"labels/{name}.tif"
        self.rows.append(row | columns)

    def write(self, name="chips.csv"):
        """Write the table, and return its path as text."""
        columns = list(dict.fromkeys(column for row in self.rows for column in row))
        write_table(self.folder / name, [{column: row.get(column, "") for column in columns} for row in self.rows])
        return str(self.folder / name)


def read_findings(path):
    """Return (chip, check, verdict) of each row of a `clean.csv`; the chip without its folder and ending."""
    with open(path, encoding="utf-8") as file:
        return [(Path(row["chip"]).stem, row["check"], row["verdict"]) for row in csv.DictReader(file)]
