"""Polygons of the classes of a finished map."""

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import ConfigError, RasterError
from instageo.files import atomic_path, write_errors
from instageo.raster.map_products.finished_map import open_map
from instageo.raster.map_products.polygon_batch import make_batches
from instageo.raster.map_products.polygon_files import PolygonLayer, find_writer
from instageo.raster.map_products.scanlines import Scanlines, copy_to_scanlines
from instageo.raster.pixel_area import HECTARES_PER_KM2, PixelAreas, compute_pixel_areas
from instageo.stores.temporary_folder import temporary_folder

log = logging.getLogger(__name__)

BYTES_PER_CORNER = 130
"""Memory that polygons take, per corner; 50 to 130 were measured, most where one polygon has nearly all."""

SIEVE_BYTES_PER_CORNER = 10
"""Memory that sieving takes, per corner of the polygons before it."""

SCALE_TOLERANCE = 0.004
"""How much smaller than the least area patches may be, relative to it, so that 4 pixels of 30 m count as 0.36 hectares.

The ground area of pixels of UTM is 0.08 % more than their nominal one at the middle of a zone, and up to 0.33 % less at
the far side of the Sentinel-2 tiles that cross its edge at the equator, 410 km away.
"""

MEMORY_MB = 4096
"""Memory that polygons may take by default."""


@dataclass(frozen=True)
class PolygonReport:
    """What `polygonize` wrote.

    Attributes:
        polygons: Number of polygons.
        corners: Number of their corners, before vertices are added for GeoJSON.
        min_pixels: Patches of fewer pixels were merged.
    """

    polygons: int
    corners: int
    min_pixels: int


def polygonize(
    map_path: str | Path,
    out: Path,
    *,
    min_pixels: int = 1,
    min_hectares: float | None = None,
    classes: Sequence[int] | None = None,
    layer: str | None = None,
    memory_mb: int = MEMORY_MB,
) -> PolygonReport:
    """Write the polygons of a map of classes, with class, name, hectares and pixels of each.

    A polygon is a patch of pixels of one class that are connected by their sides; it keeps its holes, and is not cut
    anywhere. Patches below the least size get the class of their largest neighbour, so that no gaps arise; one whose
    neighbours are no-data alone, or all below it as well, stays. Pixels without an observation belong to no polygon and
    are never merged. A copy of the map in a temporary folder next to `out` takes 2 to 7 bytes per pixel; the folders of
    processes that were killed are removed.

    Args:
        map_path: The map.
        out: `.gpkg`, `.parquet` (GeoParquet) in the reference system of the map, or `.geojson` (RFC 7946) in longitude
            and latitude.
        min_pixels: Least size of a patch.
        min_hectares: Least size of a patch as an area at the middle row of the map, in place of `min_pixels`.
        classes: Classes that are written; None for all. The others are merged with them, or not, all the same.
        layer: Name of the layer; the name of the map by default.
        memory_mb: Memory that the polygons may take.

    Raises:
        ConfigError: A size or a class cannot be.
        DataError: The ending of `out` belongs to no format.
        RasterError: The map cannot be read, holds values, or its polygons would take more memory than allowed.
        WriteError: The disk refuses a file.
        MissingExtraError: A package is not installed.
    """
    write = find_writer(out)
    name = Path(str(map_path)).name
    with write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with (
        write_errors(out),
        temporary_folder(out.parent, f".{out.name[:100]}.") as folder,
    ):
        with open_map(map_path) as file:
            file.require_classes("polygons need")
            pixel_areas = compute_pixel_areas(file.grid)
            least = _least_pixels(name, min_pixels, min_hectares, pixel_areas)
            scanlines = copy_to_scanlines(file, folder)
        scanlines, corners = _simplify(name, scanlines, folder, least, memory_mb)
        if classes is not None:
            scanlines = scanlines.select(frozenset(classes), folder)
        batches = make_batches(scanlines.trace(), pixel_areas, file.grid.transform)
        polygons = PolygonLayer(layer or Path(name).stem, name, file.class_name, file.grid, batches)
        unfinished = folder / f"polygons{out.suffix.lower()}"
        with atomic_path(out) as partial:
            written = write(unfinished, polygons)
            os.replace(unfinished, partial)
    log.info("%s: %d polygons with %d corners", out, written, corners)
    return PolygonReport(written, corners, least)


def _least_pixels(name: str, min_pixels: int, min_hectares: float | None, areas: PixelAreas | None) -> int:
    """Return the least size of a patch in pixels."""
    if min_hectares is None:
        if min_pixels < 1:
            raise ConfigError(f"min_pixels is {min_pixels}; expected at least 1")
        return min_pixels
    pixel_hectares = 0 if areas is None else float(areas.row_means_km2[len(areas.km2) // 2]) * HECTARES_PER_KM2
    if not pixel_hectares:  # of a row beyond a pole
        raise RasterError(
            f"{name}: has no georeference that areas can be computed from; use min_pixels for min_hectares"
        )
    if not 0 <= min_hectares < math.inf:
        raise ConfigError(f"min_hectares is {min_hectares:g}; expected 0 or more")
    return max(math.ceil(min_hectares / pixel_hectares * (1 - SCALE_TOLERANCE)), 1)


def _simplify(name: str, scanlines: Scanlines, folder: Path, min_pixels: int, memory_mb: int) -> tuple[Scanlines, int]:
    """Return the map with small patches merged, and the number of corners of its polygons."""
    corners = scanlines.count_corners()
    if min_pixels > 1:
        _check_memory(name, corners, SIEVE_BYTES_PER_CORNER, memory_mb, "smooth the map first, or raise memory_mb")
        scanlines = scanlines.sieve(min_pixels, folder)
        corners = scanlines.count_corners()
    advice = f"raise min_pixels (now {min_pixels}) or memory_mb"
    _check_memory(name, corners, BYTES_PER_CORNER, memory_mb, advice)
    return scanlines, corners


def _check_memory(name: str, corners: int, bytes_per_corner: int, memory_mb: int, advice: str) -> None:
    needed_mb = corners * bytes_per_corner / 1e6
    if needed_mb > memory_mb:
        raise RasterError(
            f"{name}: its polygons have {corners / 1e6:.3g} million corners and would take {needed_mb:.0f} MB of "
            f"memory, more than {memory_mb} MB; {advice}"
        )
