"""Find no-data tags that no pixel can have. rasterio hides them, so they are read from the TIFF itself."""

import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

BITS_PER_SAMPLE, SAMPLE_FORMAT, GDAL_NODATA = 258, 339, 42113
"""TIFF tags; the last one holds the no-data value as text."""

UNSIGNED, SIGNED = 1, 2
"""Values of SAMPLE_FORMAT for integers."""

MAX_TEXT = 64
"""Longest text of a no-data tag, bytes."""

_PAM_NO_DATA = re.compile(r"<NoDataValue[^>]*>\s*([^<]+?)\s*</NoDataValue>")


def describe_unfit_no_data(path: Path) -> str | None:
    """Return a sentence if no pixel can have the no-data tag of a local TIFF of integers, else None.

    A tag in the side-car file `.aux.xml` takes precedence, as in GDAL.
    """
    tags: Mapping[int, bytes] = {}
    order = "<"
    with suppress(OSError, struct.error), path.open("rb") as file:
        order, tags = _read_tags(file)
    sample_format = struct.unpack(f"{order}H", tags[SAMPLE_FORMAT][:2])[0] if SAMPLE_FORMAT in tags else UNSIGNED
    if BITS_PER_SAMPLE not in tags or sample_format not in (UNSIGNED, SIGNED):
        return None
    bits = struct.unpack(f"{order}H", tags[BITS_PER_SAMPLE][:2])[0]
    size = next((size for size in (8, 16, 32) if size >= bits), 64)
    text = _read_pam_no_data(path) or tags.get(GDAL_NODATA, b"").split(b"\0")[0].decode("ascii", "replace").strip()
    if not text or _fits(text, signed=sample_format == SIGNED, bits=size):
        return None
    with suppress(ValueError):
        text = f"{float(text):.15g}"
    return f"the no-data tag {text} does not fit {'u' * (sample_format == UNSIGNED)}int{size}, so no pixel is no-data"


def _fits(text: str, *, signed: bool, bits: int) -> bool:
    """Return whether an integer type can hold the number in a text."""
    try:
        number = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        return False
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return low <= number <= high and number == int(number)


def _read_pam_no_data(path: Path) -> str | None:
    """Return the no-data value in GDAL's side-car file `.aux.xml`, or None."""
    with suppress(OSError):
        content = path.with_name(f"{path.name}.aux.xml").read_text(encoding="utf-8", errors="replace")
        if match := _PAM_NO_DATA.search(content):
            return match[1]
    return None


def _read_tags(file: BinaryIO) -> tuple[str, dict[int, bytes]]:
    """Return the byte order of a TIFF or BigTIFF, and the content of the tags that matter; none if it is no TIFF."""
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2], "")
    if not order:
        return "<", {}
    is_big = struct.unpack(f"{order}H", start[2:4]) == (43,)
    count_format, offset_format, entry_format = ("Q", "Q", "HHQ8s") if is_big else ("H", "I", "HHI4s")
    [directory] = struct.unpack(f"{order}{offset_format}", start[8:16] if is_big else start[4:8])
    file.seek(directory)
    [count] = struct.unpack(f"{order}{count_format}", file.read(struct.calcsize(f"={count_format}")))
    entries = file.read(min(count, 4096) * struct.calcsize(f"={entry_format}"))
    tags = {}
    for tag, _, length, content in struct.iter_unpack(f"{order}{entry_format}", entries):
        if tag in (BITS_PER_SAMPLE, SAMPLE_FORMAT, GDAL_NODATA):
            if length * (1 if tag == GDAL_NODATA else 2) > len(content):
                file.seek(*struct.unpack(f"{order}{offset_format}", content))
                content = file.read(min(length, MAX_TEXT) if tag == GDAL_NODATA else 2)
            tags[tag] = content
    return order, tags
