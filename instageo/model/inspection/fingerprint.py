"""What tells two data sets apart without reading their pixels again."""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.locations import is_remote, relative_path
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import moments_to_dict
from instageo.table import Row


def fingerprint_table(report: TableReport, root: str) -> str:
    """A checksum of a checked table: the same for the same data below another `root`.

    It covers, row by row and in their order: the paths of chip and label relative to `root`, dates and place that the
    table gives, the size of each file in bytes (of local files alone), and what the check found: layers, height, width,
    type, valid pixels, labelled pixels per class, moments of continuous labels. It does not notice pixels that change
    while all of these stay.

    Args:
        report: The rows that can be used.
        root: Folder or URL that the table's paths start from.

    Returns:
        64 hexadecimal digits.
    """
    digest = sha256()
    for row, fact in zip(report.rows, report.facts, strict=True):
        seen = fact.layers, fact.height, fact.width, fact.dtype, fact.valid_pixels, fact.class_counts
        target = moments_to_dict(fact.target)
        told = [day.isoformat() for day in row.dates], row.place
        digest.update(repr((list(_files(row, root)), told, seen, target)).encode() + b"\n")
    return digest.hexdigest()


def summarize_table(report: TableReport, path: str, root: str) -> dict[str, Any]:
    """What `run.json` tells of a table."""
    return {
        "path": path,
        "chips": len(report.rows),
        "left_out": len(report.dropped),
        "labelled_pixels": report.labelled,
        "fingerprint": fingerprint_table(report, root),
    }


def _files(row: Row, root: str) -> Iterator[tuple[str, int | None]]:
    if row.label is not None and not row.label_is_file:
        yield row.label, None
    for location in (row.input, row.label if row.label_is_file else None):
        if location is not None:
            size = None
            with suppress(OSError):  # a file that is gone is told of where it is read
                size = None if is_remote(location) else Path(location).stat().st_size
            inside = location.startswith(f"{root}/")  # nearly always, and sooner told than by `below`
            yield location[len(root) + 1 :] if inside else relative_path(location, root).as_posix(), size
