"""Uploaded and downloaded files: opened as GeoTIFF alone, given as Cloud-Optimized GeoTIFF."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.session import DummySession
from rasterio.shutil import copy

from instageo.errors import RasterError
from instageo.raster.reading import LOCAL_OPTIONS

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files begin."""

STRICT = LOCAL_OPTIONS | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GTIFF_VIRTUAL_MEM_IO": "NO"}
"""No other file is looked at, and nothing of the file is mapped, which could be cut short."""


def read_header(path: Path) -> tuple[int, int, int, int]:
    """Layers, rows, columns, and bytes of a value of a GeoTIFF, by no other driver.

    Raises:
        RasterError: It is none.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    if begin not in SIGNATURES:
        raise RasterError("the content is no TIFF; expected a GeoTIFF")
    try:
        with rasterio.Env(session=DummySession(), **STRICT), rasterio.open(path, driver="GTiff") as source:
            widest = max(np.dtype(kind).itemsize for kind in source.dtypes)
            return source.count, source.height, source.width, widest
    except RasterioError as error:
        raise RasterError(f"the content is no whole GeoTIFF ({str(error).replace(str(path), 'it')})") from error


def write_cog(source: Path, target: Path) -> None:
    """Write a GeoTIFF anew with overviews, laid out for reading in parts; values, colours and tags stay.

    Raises:
        RasterError: It cannot be written.
    """
    try:
        with rasterio.Env(GDAL_NUM_THREADS="1"):
            copy(source, target, driver="COG", compress="deflate", overview_resampling="nearest", blocksize=256)
    except RasterioError as error:
        raise RasterError(f"{target.name}: cannot be written ({error})") from error
