"""Rows of tables and readers of their samples, without the check of the whole table."""

from datetime import date

import numpy as np
from affine import Affine

from instageo.model.chips.dates_and_location import find_row_coordinates
from instageo.model.dataset.chip_reader import ChipReader
from instageo.model.inspection.report import build_report, inspect_rows
from instageo.raster.reading import read_info
from instageo.table import Row


def reader_of(rows, chips, labels):
    """Return the reader that a checked table with these rows gives."""
    infos = [read_info(row.input) for row in rows]
    coords = [
        find_row_coordinates(row, info.grid, info.tags, chips.temporal_dim)
        for row, info in zip(rows, infos, strict=True)
    ]
    return ChipReader(rows, chips, labels, [info.grid.shape for info in infos], coords)


def load_sample(row, chips, labels):
    """Read one row as a sample."""
    return reader_of([row], chips, labels).read(0)


def check_table(name, rows, spec, *, skip_bad=False):
    """Return the report on a table, without a cache and without files."""
    return build_report(name, rows, inspect_rows(name, rows, spec), skip_bad=skip_bad)


def located_rows(make_raster):
    """Write six chips of 4 x 6 pixels: two have a date (one in the file), four a location (one in the table alone)."""
    rows = []
    for number in range(6):
        position = {} if number in (0, 1, 2) else {"crs": None, "transform": Affine.identity()}
        tags = {"SENSING_TIME": "2020-03-05T00:00:00.0000000Z"} if number == 5 else {}
        chip = make_raster(f"{number}/chip.tif", np.ones((6, 4, 6), np.int16), tags=tags, **position)
        label = make_raster(f"{number}/label.tif", np.ones((4, 6), np.uint8), **position)
        dates = (date(2024, 12, 31),) if number == 1 else ()
        lat_lon = (10.0, 20.0) if number == 3 else None
        rows.append(Row(f"{number}/chip.tif", str(chip), str(label), dates, lat_lon))
    return rows
