"""Check uploaded GeoTIFFs and write Cloud-Optimized GeoTIFFs."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.session import DummySession
from rasterio.shutil import copy

from instageo.errors import RasterError
from instageo.files import write_bytes
from instageo.raster.reading import LOCAL_OPTIONS, check_real, not_utf8

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF files."""

UNTRUSTED_OPTIONS = LOCAL_OPTIONS | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GTIFF_VIRTUAL_MEM_IO": "NO"}
"""GDAL options for files from strangers: no other file is opened, and the file is not mapped into memory, because
reading a mapped file that is truncated meanwhile kills the process."""


class TiffHeader(NamedTuple):
    """Size of a GeoTIFF.

    Attributes:
        layers: Layers, masks and alpha among them.
        rows: Height, pixels.
        columns: Width, pixels.
        value_bytes: Bytes of a value; of the largest type, if layers differ.
    """

    layers: int
    rows: int
    columns: int
    value_bytes: int


def read_tiff_header(path: Path) -> TiffHeader:
    """Return the size of a GeoTIFF; no driver for another format is used.

    Raises:
        PixelTypeError: It has complex values.
        RasterError: The file is not a complete GeoTIFF.
    """
    with path.open("rb") as file:
        signature = file.read(4)
    if signature not in TIFF_SIGNATURES:
        raise RasterError("the content is not a TIFF; expected a GeoTIFF")
    try:
        with rasterio.Env(session=DummySession(), **UNTRUSTED_OPTIONS), rasterio.open(path, driver="GTiff") as source:
            check_real(source, "the image")
            value_bytes = max(np.dtype(name).itemsize for name in source.dtypes)
            return TiffHeader(source.count, source.height, source.width, value_bytes)
    except UnicodeDecodeError as error:
        raise RasterError(f"the image cannot be read, because {not_utf8(error)}") from error
    except RasterioError as error:
        raise RasterError(f"the content is not a complete GeoTIFF ({str(error).replace(str(path), 'it')})") from error


def write_cog(source: Path, target: Path) -> None:
    """Copy a GeoTIFF to a Cloud-Optimized GeoTIFF with overviews; values, colours and tags stay the same.

    Raises:
        WriteError: The disk refuses the file.
        RasterError: GDAL cannot make the file.
    """
    options = {"compress": "deflate", "overview_resampling": "nearest", "blocksize": 256}
    try:  # in memory, since GDAL does not report every error of the disk
        with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile() as memory:
            copy(source, memory.name, driver="COG", **options)
            write_bytes(target, memory.getbuffer())
    except RasterioError as error:
        raise RasterError(f"{target.name}: cannot be written ({error})") from error
