"""Identify a data set without reading its pixels again."""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.locations import is_remote, relative_path
from instageo.model.inspection.report import TableReport
from instageo.table import Row


def fingerprint_table(report: TableReport, root: str) -> str:
    """Compute a checksum of an inspected table: the same for the same data below another `root`.

    It covers, row by row and in their order: the paths of chip and label relative to `root`, dates and location that
    the table gives, the size of each file in bytes (of local files alone), and the row's statistics: layers, height,
    width, type, valid pixels, labelled pixels per class, moments of continuous labels. Changed pixels go
    unnoticed if all of these stay the same.

    Args:
        report: The rows that can be used.
        root: Folder or URL that the table's paths start from.

    Returns:
        64 hexadecimal digits.
    """
    digest = sha256()
    for row, stats in zip(report.rows, report.row_stats, strict=True):
        table_entry = [day.isoformat() for day in row.dates], row.lat_lon
        counts = stats.num_layers, stats.height, stats.width, stats.dtype, stats.valid_pixels, stats.class_counts
        label_moments = stats.label_moments and stats.label_moments.to_dict()
        content = list(_relative_files(row, root)), table_entry, counts, label_moments
        digest.update(repr(content).encode() + b"\n")
    return digest.hexdigest()


def summarize_table(report: TableReport, path: str, root: str) -> dict[str, Any]:
    """Return the entry of a table in `run.json`."""
    return {
        "path": path,
        "chips": len(report.rows),
        "left_out": len(report.dropped),
        "labelled_pixels": report.label_counts,
        "fingerprint": fingerprint_table(report, root),
    }


def _relative_files(row: Row, root: str) -> Iterator[tuple[str, int | None]]:
    """Yield the path below `root` and the size of each file of a row, and an image-level label itself."""
    if row.label is not None and not row.label_is_file:
        yield row.label, None
    for location in (row.input, row.label if row.label_is_file else None):
        if location is not None:
            size = None
            with suppress(OSError):  # a missing file is reported where it is read
                size = None if is_remote(location) else Path(location).stat().st_size
            below_root = location.startswith(f"{root}/")  # true for nearly all, and faster than `relative_path`
            yield location[len(root) + 1 :] if below_root else relative_path(location, root).as_posix(), size
