"""Maps as xarray DataArrays that carry their georeference as rioxarray and the CF conventions expect it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.extras import required_by
from instageo.raster.grid import Grid

if TYPE_CHECKING:
    import xarray


def to_data_array(
    values: NDArray[np.generic],
    grid: Grid | None,
    *,
    name: str,
    no_data_value: float,
    attributes: Mapping[str, Any] | None = None,
) -> "xarray.DataArray":
    """Convert a map to a DataArray with the dimensions y and x.

    Args:
        values: Shape (H, W).
        grid: Position of the pixels; None, or one without CRS, leaves out what is unknown. A rotated grid has no
            coordinates along x and y.
        name: Name of the array.
        no_data_value: Value of pixels without an observation, the attribute `_FillValue`.
        attributes: Further attributes.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    with required_by("to_xarray", "xarray"):
        import xarray
    coordinates: dict[str, Any] = {}
    if grid is not None and grid.shape == values.shape:
        affine = grid.transform
        if not (affine.b or affine.d):
            coordinates["x"] = "x", affine.c + affine.a * (np.arange(grid.width) + 0.5), {"axis": "X"}
            coordinates["y"] = "y", affine.f + affine.e * (np.arange(grid.height) + 0.5), {"axis": "Y"}
        transform = " ".join(map(repr, affine.to_gdal()))
        crs = {} if grid.crs is None else {"crs_wkt": grid.crs, "spatial_ref": grid.crs}
        coordinates["spatial_ref"] = (), 0, {**crs, "GeoTransform": transform}
    named = {"_FillValue": no_data_value, **(attributes or {})}
    if coordinates:
        named["grid_mapping"] = "spatial_ref"
        if grid is not None and grid.crs is not None:
            named["crs"] = CRS.from_wkt(grid.crs).to_string()
    return xarray.DataArray(values, coordinates, ("y", "x"), name, named)
