"""Rows as a reader of samples, without the check of the whole table."""

from instageo.model.chips.coordinates import find_row_coordinates
from instageo.model.dataset.chip_reader import ChipReader
from instageo.model.inspection.report import build_report, inspect_rows
from instageo.raster.reading import read_info


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
