"""Rows as a source of samples, without a check of the whole table."""

from instageo.model.coordinates import coordinates_of
from instageo.model.source import ChipSource
from instageo.raster import read_info


def source_of(rows, chips, labels):
    """The source that a checked table with these rows gives."""
    found = [read_info(row.input) for row in rows]
    seen = [
        coordinates_of(row, info.grid, info.tags, chips.temporal_dim) for row, info in zip(rows, found, strict=True)
    ]
    return ChipSource(rows, chips, labels, [info.grid.shape for info in found], seen)


def load_sample(row, chips, labels):
    """One row as a sample."""
    return source_of([row], chips, labels).read(0)
