"""Compare the grid of a file with that of the scene: the same, shifted, of another resolution, or not comparable."""

from dataclasses import dataclass

import numpy as np

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.scenes.axis_map import AxisMap
from instageo.raster.warp import crs_code, same_crs

TOLERANCE = 1e-3
"""Share of a pixel by which positions may differ from whole ones."""


@dataclass(frozen=True)
class Alignment:
    """Position of a file's pixels on the grid of the scene.

    Attributes:
        rows: Along the rows.
        columns: Along the columns.
    """

    rows: AxisMap
    columns: AxisMap


def align(scene: Grid, own: Grid, path: str, first: str) -> Alignment:
    """Return where the pixels of a file lie on the grid of the scene.

    Args:
        scene: Grid of the scene.
        own: Grid of the file.
        path: The file, for messages.
        first: The file that the scene's grid is from, for messages.

    Raises:
        RasterError: They have different reference systems, or do not overlap; the file has no position, or is rotated
            against the scene.
    """
    if own.matches(scene):
        return Alignment(AxisMap(1.0, 0.0, own.height), AxisMap(1.0, 0.0, own.width))
    if None not in (own.crs, scene.crs) and not same_crs(own.crs or "", scene.crs or ""):
        code = crs_code(scene.crs or "")
        raise RasterError(
            f"{path}: its reference system ({crs_code(own.crs or '')}) is not that of {first} ({code}); all files of a "
            f"scene need the same: gdalwarp -t_srs EPSG:{code} {path} OUT.tif"
        )
    if (own.crs is None) != (scene.crs is None) or own.transform.is_identity or scene.transform.is_identity:
        raise RasterError(
            f"{path}: has {own.height} x {own.width} pixels and {first} {scene.height} x {scene.width}, but where they "
            "lie is unknown, since one has no reference system or transform; give files of one shape, or set both"
        )
    result = _map_axes(scene, own)
    if result is None:
        raise RasterError(f"{path}: is rotated against {first}; bring it onto that grid with gdalwarp first")
    if not (result.rows.overlaps(scene.height) and result.columns.overlaps(scene.width)):
        raise RasterError(f"{path}: does not overlap {first}; check that both show the same place")
    return result


def _map_axes(scene: Grid, own: Grid) -> Alignment | None:
    """Return the maps of both axes, or None if an axis of one is not parallel to that of the other."""
    height, width = scene.shape
    xs, ys = scene.to_crs([0, 0, height], [0, width, 0])
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files
        rows, columns = own.from_crs(np.array(xs), np.array(ys))
        drift = max(abs(rows[1] - rows[0]), abs(columns[2] - columns[0]))
        down, across = rows[2] - rows[0], columns[1] - columns[0]
    if not (drift <= TOLERANCE and 0 < abs(down) < np.inf and 0 < abs(across) < np.inf):
        return None
    return Alignment(
        _rounded(down / height, rows[0], height, own.height),
        _rounded(across / width, columns[0], width, own.width),
    )


def _rounded(ratio: float, offset: float, scene_length: int, length: int) -> AxisMap:
    """Return the map of an axis; a ratio like 2 or 1/2, and the offset of whole pixels, without errors of rounding."""
    inverse = 1 / ratio
    for whole in (float(round(ratio)), 1 / round(inverse) if round(inverse) else 0.0):
        if whole and abs(ratio - whole) * scene_length <= TOLERANCE:
            ratio = whole
            break
    unit = min(abs(ratio), 1.0)
    nearest = round(offset / unit) * unit
    return AxisMap(float(ratio), float(nearest if abs(offset - nearest) <= TOLERANCE else offset), length)
