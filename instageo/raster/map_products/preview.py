"""Small pictures of large maps, read from their overviews."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.map_products.finished_map import FinishedMap, open_map
from instageo.raster.validity import stored_value


@dataclass(frozen=True)
class Preview:
    """A map in fewer pixels, with the northern side of the usual maps at its top.

    Attributes:
        values: Shape (H, W), in the file's own type.
        valid: Shape (H, W), False where nothing was observed.
        grid: Position of these pixels; rows and columns may run against those of the file.
        file: Metadata of the map.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid
    file: FinishedMap


def read_preview(path: str | Path, side: int) -> Preview:
    """Read the overview whose longer side is nearest to that many pixels.

    A map without an overview near to it is read at that size, by its nearest pixels. Maps stored with their south or
    east first are turned round.

    Raises:
        RasterError: The map cannot be read.
    """
    with open_map(path) as file:
        source, (height, width) = file.raster.source, file.grid.shape
        shapes = [(-(-height // factor), -(-width // factor)) for factor in (1, *source.overviews(1))]
        shape = min(shapes, key=lambda shape: abs(np.log(max(shape) / side)))
        if max(shape) > 2 * side:
            scale = side / max(height, width)
            shape = max(round(height * scale), 1), max(round(width * scale), 1)
        try:
            values = source.read(1, out_shape=shape, resampling=Resampling.nearest)
            valid = source.read_masks(1, out_shape=shape, resampling=Resampling.nearest) > 0
        except RasterioError as error:
            raise RasterError(f"{path}: cannot be read ({error}); write the map again") from error
        no_data = stored_value(source.nodatavals[0], values.dtype)
        if no_data is not None:
            valid &= values != no_data
        if values.dtype.kind == "f":
            valid &= np.isfinite(values)
        affine = file.grid.transform
        if not affine.is_identity:
            affine = affine @ Affine.scale(width / shape[1], height / shape[0])
        grid = Grid(file.grid.crs, affine, *shape)
        return _turn(Preview(values, valid, grid, file))


def _turn(preview: Preview) -> Preview:
    """Return a preview whose rows run to the south and columns to the east, as far as turning it round helps."""
    values, valid, grid = preview.values, preview.valid, preview.grid
    affine = grid.transform
    if affine.is_identity:
        return preview
    if affine.e > 0:
        values, valid = values[::-1], valid[::-1]
        affine = affine @ Affine.translation(0, grid.height) @ Affine.scale(1, -1)
    if affine.a < 0:
        values, valid = values[:, ::-1], valid[:, ::-1]
        affine = affine @ Affine.translation(grid.width, 0) @ Affine.scale(-1, 1)
    return Preview(values, valid, Grid(grid.crs, affine, grid.height, grid.width), preview.file)
