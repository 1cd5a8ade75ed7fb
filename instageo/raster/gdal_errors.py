"""Errors of GDAL and PROJ. Some calls of rasterio let GDAL's own errors through, for which it has no public name."""

from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError, RasterioIOError

GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)
"""Errors of any call."""

READ_ERRORS = (RasterioIOError, CPLE_BaseError, UnicodeDecodeError)
"""Errors of files that cannot be read; the last are those of texts in them."""
