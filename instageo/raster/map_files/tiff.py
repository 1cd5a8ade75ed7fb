"""The structure of TIFF files: directories of tags, as bytes."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


class TagCode(IntEnum):
    """Numbers of the tags that are read or changed here."""

    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    PIXEL_SCALE = 33550
    TIE_POINTS = 33922
    TRANSFORMATION = 34264
    GEO_KEYS = 34735
    GEO_DOUBLES = 34736
    GEO_TEXTS = 34737
    GDAL_METADATA = 42112
    RPC_COEFFICIENTS = 50844


NUMBER_TYPES = {3: "<u2", 4: "<u4", 16: "<u8"}
"""NumPy's names of the TIFF types SHORT, LONG and LONG8."""

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each TIFF type."""


@dataclass(frozen=True)
class Tag:
    """Value of a tag.

    Attributes:
        kind: TIFF type of the values.
        data: The values, little-endian.
    """

    kind: int
    data: bytes

    @classmethod
    def of_number(cls, number: int) -> "Tag":
        """Return a tag of one LONG."""
        return cls(4, struct.pack("<I", number))

    @classmethod
    def of_numbers(cls, numbers: NDArray[np.int64], *, big: bool) -> "Tag":
        """Return a tag of LONGs, or of LONG8s in a BigTIFF."""
        kind = 16 if big else 4
        return cls(kind, numbers.astype(NUMBER_TYPES[kind]).tobytes())

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The values of a tag of whole numbers."""
        return np.frombuffer(self.data, NUMBER_TYPES[self.kind]).astype(np.int64)

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.data) // TYPE_BYTES[self.kind]


Directory = dict[int, Tag]
"""Tags of an image by code."""


def read_directory(file: BinaryIO) -> Directory:
    """Return the tags of the first image of a little-endian classic TIFF."""
    file.seek(4)
    file.seek(struct.unpack("<I", file.read(4))[0])
    (num_tags,) = struct.unpack("<H", file.read(2))
    directory = {}
    entries = file.read(12 * num_tags)
    for code, kind, count, value in struct.iter_unpack("<HHI4s", entries):
        num_bytes = count * TYPE_BYTES[kind]
        if num_bytes > 4:
            file.seek(struct.unpack("<I", value)[0])
            value = file.read(num_bytes)
        directory[code] = Tag(kind, value[:num_bytes])
    return directory


def header_bytes(first_directory: int, *, big: bool) -> bytes:
    """Return the first bytes of a little-endian TIFF or BigTIFF."""
    if big:
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first_directory)
    return struct.pack("<2sHI", b"II", 42, first_directory)


def pack_directory(
    directory: Directory, start: int, *, big: bool, following: int = 0, elsewhere: Mapping[int, int] | None = None
) -> bytes:
    """Return a directory as bytes: its entries, then the values that do not fit into them.

    Args:
        directory: Tags of the image.
        start: Position of the directory in the file, even.
        big: Whether the file is a BigTIFF.
        following: Position of the next directory, 0 for the last.
        elsewhere: Positions, by code, of values that are written to another place if they do not fit.
    """
    count, entry, offset = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
    head, values = [struct.pack(count, len(directory))], bytearray()
    end = start + struct.calcsize(count) + len(directory) * (20 if big else 12) + struct.calcsize(offset)
    for code, tag in sorted(directory.items()):
        value = tag.data
        if not fits_inline(tag, big=big):
            position = (elsewhere or {}).get(code)
            if position is None:
                position = end + len(values)
                values += tag.data + b"\0" * (len(tag.data) % 2)
            value = struct.pack(offset, position)
        head += [struct.pack(entry, code, tag.kind, tag.count), value.ljust(struct.calcsize(offset), b"\0")]
    return b"".join([*head, struct.pack(offset, following), values])


def fits_inline(tag: Tag, *, big: bool) -> bool:
    """Return whether the values of a tag are stored in its entry."""
    return len(tag.data) <= (8 if big else 4)
