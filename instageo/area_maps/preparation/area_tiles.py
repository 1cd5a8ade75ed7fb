"""Which tiles of the satellite's grid an area needs, and which part of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from affine import Affine

from instageo.area_maps.preparation.area import Area
from instageo.area_maps.preparation.image_order import order_images
from instageo.area_maps.preparation.image_search import NoImageError
from instageo.area_maps.request import AreaRequest, Days
from instageo.data.matching.placement import tile_name
from instageo.data.matching.scenes import Scene, Scenes
from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.wording import counted

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAX_SIDE = 40_000
"""Most rows or columns of the part of a tile; Landsat's tiles are whole zones."""


@dataclass(frozen=True)
class AreaTile:
    """The area's part of a tile.

    Attributes:
        name: Name of the tile.
        grid: Its pixels.
        images: Images of each date, in the order in which they are preferred.
        shown: Polygon of the area in the tile (GeoJSON), in the reference system of the grid.
        read_area: Polygon around it whose pixels are read.
    """

    name: str
    grid: Grid
    images: tuple[tuple[Scene, ...], ...]
    shown: Mapping[str, Any]
    read_area: Mapping[str, Any]


def divide_area(
    area: Area, scenes: Scenes, request: AreaRequest, *, resolution: float | None, context: int
) -> list[AreaTile]:
    """Return the parts of an area by tile, in the order in which their maps count where they overlap.

    Tiles with the largest part of the area come first. A tile is left out if others hold its part and all of its
    passes, since the same pixels are in both.

    Args:
        area: The area.
        scenes: Images by tile.
        request: Days, and how images are ordered.
        resolution: Pixel size, metres; None for that of the images.
        context: Pixels around the area that the network sees, too.

    Raises:
        NoImageError: No tile has images for all dates.
        DataError: The area's part of a tile is too large.
    """
    candidates = []
    for name, own in scenes.usable.items():
        if area.tile is not None and "-" not in name and name != tile_name(area.tile):
            continue
        candidate = _candidate(name, own, area, request, resolution)
        if candidate is not None:
            candidates.append(candidate)
    candidates.sort(key=lambda each: (-each.part.area, each.name))
    chosen: list[_Candidate] = []
    for candidate in candidates:
        if not candidate.is_in(chosen):
            chosen.append(candidate)
    if not chosen:
        raise NoImageError(_why_none(area, scenes, request, resolution))
    return [_tile(candidate, context) for candidate in chosen]


@dataclass(frozen=True)
class _Candidate:
    """A tile with the area's part of it.

    Attributes:
        name: Name of the tile.
        lattice: Its pixels at the size of those of the map.
        is_whole: Whether the lattice is all of the tile; otherwise it only says where pixels lie.
        images: Images of each date.
        part: The area's part, in the reference system of the tile.
        whole_part: The same, including where it has no image, so that maps of other days have the same grid.
    """

    name: str
    lattice: Grid
    is_whole: bool
    images: tuple[tuple[Scene, ...], ...]
    part: "BaseGeometry"
    whole_part: "BaseGeometry"

    @property
    def passes(self) -> set[tuple[int, str, date]]:
        """Date of the model, satellite and day of each image."""
        return {(number, scene.item.platform, scene.day) for number, own in enumerate(self.images) for scene in own}

    def is_in(self, others: Sequence["_Candidate"]) -> bool:
        """Return whether other tiles of the same zone hold the part with all of its passes."""
        rest = self.part
        for other in others:
            if other.lattice.crs == self.lattice.crs and self.passes <= other.passes:
                rest = rest - _extent(other.lattice)
        return bool(rest.is_empty)


def _candidate(
    name: str, scenes: Sequence[Scene], area: Area, request: AreaRequest, resolution: float | None
) -> _Candidate | None:
    """Return a tile with its images, or None if it has none of the area."""
    first = scenes[0].frame
    is_whole = first.row == first.column == 0 and all(scene.frame == first for scene in scenes)
    geometry = area.in_crs(first.grid.crs or "")
    pixel = resolution or abs(first.grid.transform.a)
    lattice = _lattice(first.grid, pixel, is_whole=is_whole)
    part = geometry & _extent(lattice) if is_whole else geometry
    if part.area < pixel**2 / 2:
        return None
    touching = [scene for scene in scenes if _extent(scene.frame.grid).intersects(part)]
    images = tuple(order_images(touching, days, request.composite) for days in request.days)
    if not all(images):
        return None
    whole_part = part
    if not is_whole:
        from shapely import union_all

        part = part & union_all([_extent(scene.frame.grid) for own in images for scene in own])
        if part.area < pixel**2 / 2:
            return None
    return _Candidate(name, lattice, is_whole, images, part, whole_part)


def _lattice(grid: Grid, pixel: float, *, is_whole: bool) -> Grid:
    """Return a tile's pixels of another size from its upper left corner.

    Scenes without tiles lie on multiples of the pixel size, shifted as their own pixels are.
    """
    own = grid.transform
    left, top = own.c, max(own.f, own.f + own.e * grid.height)
    width, height = abs(own.a) * grid.width, abs(own.e) * grid.height
    if not is_whole:
        phase_x, phase_y = own.c % abs(own.a), own.f % abs(own.e)
        left = math.floor((left - phase_x) / pixel) * pixel + phase_x
        top = math.ceil((top - phase_y) / pixel) * pixel + phase_y
    rows, columns = (max(math.ceil(side / pixel - 0.5), 1) for side in (height, width))
    return Grid(grid.crs, Affine(pixel, 0, left, 0, -pixel, top), rows, columns)


def _extent(grid: Grid) -> "BaseGeometry":
    from shapely.geometry import box

    own = grid.transform
    right, bottom = own.c + own.a * grid.width, own.f + own.e * grid.height
    extent: BaseGeometry = box(own.c, min(own.f, bottom), right, max(own.f, bottom))
    return extent


def _tile(candidate: _Candidate, context: int) -> AreaTile:
    """Return the smallest window of a tile that holds the area's part with its context."""
    from shapely.geometry import mapping

    lattice, own = candidate.lattice, candidate.lattice.transform
    around, whole = (
        part.buffer(context * own.a, cap_style="square", join_style="mitre")
        for part in (candidate.part, candidate.whole_part)
    )
    west, south, east, north = whole.bounds
    first_column, last_column = math.floor((west - own.c) / own.a), math.ceil((east - own.c) / own.a)
    first_row, last_row = math.floor((own.f - north) / own.a), math.ceil((own.f - south) / own.a)
    if candidate.is_whole:
        first_column, last_column = max(first_column, 0), min(last_column, lattice.width)
        first_row, last_row = max(first_row, 0), min(last_row, lattice.height)
    height, width = last_row - first_row, last_column - first_column
    if max(height, width) > MAX_SIDE:
        raise DataError(
            f"{candidate.name}: the area has {height} x {width} pixels there; expected at most {MAX_SIDE} on a side; "
            "map smaller areas one by one, or choose a larger --resolution"
        )
    grid = lattice.window(first_row, first_column, height, width)
    return AreaTile(candidate.name, grid, candidate.images, mapping(candidate.part), mapping(around))


def _why_none(area: Area, scenes: Scenes, request: AreaRequest, resolution: float | None) -> str:
    """Return why no tile can be mapped, and what to do."""
    for frame in scenes.frames:
        pixel = resolution or abs(frame.grid.transform.a)
        if (size := area.in_crs(frame.grid.crs or "").area) < pixel**2 / 2:
            return f"{area.name}: has {size:.3g} m², less than half a pixel of {pixel:g} m; choose a larger area"
    periods = ", ".join(map(str, request.days))
    reasons = [
        other for days in request.days for tile in scenes.rejected
        for other in scenes.rejected_between(tile, days.first, days.last)
    ]  # fmt: skip
    if reasons:
        more = f", and {counted(len(reasons) - 1, 'further image')}" if len(reasons) > 1 else ""
        return (
            f"no image of the area from {periods} can be used ({reasons[0].detail}{more}); widen the dates, or change "
            "--max-cloud"
        )
    several = " for each of them" if len(request.days) > 1 else ""
    return f"no image touches the area from {periods}{several}; {_where_images_are(scenes, area)}"


def _where_images_are(scenes: Scenes, area: Area) -> str:
    """Return where and when images lie, and what to do."""
    items = [scene.item for own in scenes.usable.values() for scene in own]
    if not items:
        return "widen the dates, or check the area"
    edges = list(zip(*(item.bounds for item in items), strict=True))
    west, south, east, north = min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])
    days = sorted(item.time.date() for item in items)
    lon, lat = area.geometry.centroid.coords[0]
    swapped = west <= lat <= east and south <= lon <= north and not (west <= lon <= east and south <= lat <= north)
    advice = "longitude and latitude of the area seem to be exchanged" if swapped else "change the dates or the area"
    return (
        f"the images are from {Days(days[0], days[-1])}, at longitudes {west:.2f} to {east:.2f} and latitudes "
        f"{south:.2f} to {north:.2f}; {advice}"
    )
