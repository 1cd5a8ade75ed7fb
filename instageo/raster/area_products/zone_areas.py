"""Hectares of classes, or the mean value, in each of some zones, over maps that may overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.raster.area_products.overlapping_maps import OverlappingMaps, open_maps
from instageo.raster.area_products.zone_pixels import move_to_pixels, paint_mask, pixel_box
from instageo.raster.area_products.zones import Zone
from instageo.raster.map_products.finished_map import FinishedMap
from instageo.vectors.polygons import polygon_hectares

CELL = 1024
"""Most rows and columns of a map that are read at once: whole blocks, unless one is larger."""

METHOD = (
    "area of each pixel on the ellipsoid WGS 84; a pixel belongs to a zone that contains its centre, with edges of "
    "zones as straight lines in longitude and latitude; where maps overlap, the first one with an observation counts; "
    "unobserved are pixels that no map observes, and parts of a zone that no map covers"
)


@dataclass(frozen=True)
class ZoneClass:
    """One class in a zone.

    Attributes:
        number: Value of its pixels.
        name: Its name; the number if the maps have no name for it.
        pixels: How many pixels have it.
        hectares: Their area on the ground.
        share_of_observed: Their share of the observed area; 0 if nothing was observed.
    """

    number: int
    name: str
    pixels: int
    hectares: float
    share_of_observed: float


@dataclass(frozen=True)
class ZoneArea:
    """What maps show of a zone.

    Attributes:
        zone: Name of the zone.
        classes: The classes by number: all that the maps name, or that occur in any zone; empty for values.
        observed_pixels: Pixels with an observation.
        observed_hectares: Their area.
        unobserved_hectares: Area that no map observes, or covers.
        zone_hectares: Area of the polygon on the ellipsoid.
        mean: Mean value over the observed area; None for classes, or if nothing was observed.
        sum: Sum of the values times the hectares of their pixels; None for classes.
    """

    zone: str
    classes: tuple[ZoneClass, ...]
    observed_pixels: int
    observed_hectares: float
    unobserved_hectares: float
    zone_hectares: float
    mean: float | None = None
    sum: float | None = None

    @property
    def observed_share(self) -> float:
        """Share of the zone that was observed; 0 of a zone without area."""
        return _share(self.observed_hectares, self.observed_hectares + self.unobserved_hectares)

    @property
    def unobserved_share(self) -> float:
        """Share of the zone that was not observed."""
        return 1 - self.observed_share


@dataclass(frozen=True)
class ZoneAreas:
    """What maps show of some zones.

    Attributes:
        maps: Names of the maps in the order in which they count.
        zones: The zones in their order.
        has_classes: Whether the maps hold classes; otherwise they hold values.
        method: How areas were computed, one sentence.
    """

    maps: tuple[str, ...]
    zones: tuple[ZoneArea, ...]
    has_classes: bool
    method: str = METHOD


def measure_zones(maps: Sequence[str | Path], zones: Sequence[Zone]) -> ZoneAreas:
    """Measure the classes, or values, in each zone, in bounded memory; only blocks near zones are read.

    Of maps that overlap, also in different reference systems, the first one with an observation at the centre of a
    pixel counts. A place that no map observes counts as unobserved once, in the first map whose grid contains it.
    Zones may overlap.

    Args:
        maps: Maps in the order in which they count, of one kind and with the same classes.
        zones: The zones.

    Raises:
        ConfigError: No map was given.
        RasterError: A map cannot be read, has no place on Earth, or is of another kind than the first one.
    """
    with open_maps(maps) as ordered:
        has_classes = ordered.files[0].has_classes
        tallies = [_Tally(has_classes) for _ in zones]
        for number in range(len(ordered.files)):
            _measure_map(ordered, number, zones, tallies)
        num_classes = max([len(ordered.class_names), *(len(tally.pixels) for tally in tallies)]) if has_classes else 0
        occurring = {
            number for tally in tallies for number in np.flatnonzero(tally.pixels).tolist() if has_classes
        } | set(range(len(ordered.class_names)))
        numbers = [number for number in range(num_classes) if number in occurring]
        measured = [_zone_area(zone, tally, numbers, ordered) for zone, tally in zip(zones, tallies, strict=True)]
        return ZoneAreas(tuple(ordered.names), tuple(measured), has_classes)


class _Tally:
    """Sums over the pixels of one zone.

    Attributes:
        pixels: Observed pixels by class; one number for values.
        hectares: Their area, likewise.
        unobserved_hectares: Area of unobserved pixels.
        value_hectares: Sum of the products of value and hectares.
    """

    def __init__(self, has_classes: bool) -> None:
        self._has_classes = has_classes
        self.pixels = np.zeros(0 if has_classes else 1, np.int64)
        self.hectares = np.zeros(len(self.pixels))
        self.unobserved_hectares = self.value_hectares = 0.0

    def add(self, values: NDArray[np.generic], hectares: NDArray[np.float64], unobserved: float) -> None:
        """Add observed pixels (N,), and the hectares of those that are not observed."""
        self.unobserved_hectares += unobserved
        if not self._has_classes:
            self.value_hectares += float(values.astype(np.float64) @ hectares)
            values = np.zeros(len(values), np.uint8)
        numbers = values.astype(np.int64)
        length = max(len(self.pixels), int(numbers.max(initial=-1)) + 1)
        further = length - len(self.pixels)
        self.pixels = np.pad(self.pixels, (0, further)) + np.bincount(numbers, minlength=length)
        self.hectares = np.pad(self.hectares, (0, further)) + np.bincount(numbers, hectares, minlength=length)


def _measure_map(ordered: OverlappingMaps, number: int, zones: Sequence[Zone], tallies: Sequence[_Tally]) -> None:
    """Add the pixels of a map that count to the zones."""
    import shapely

    file, outline = ordered.files[number], ordered.outlines[number]
    near = shapely.STRtree([zone.geometry for zone in zones]).query(outline, predicate="intersects")
    placed = [(tallies[index], move_to_pixels(zones[index].geometry, file.grid, outline)) for index in sorted(near)]
    boxes = [(tally, polygon, pixel_box(polygon, file.grid)) for tally, polygon in placed]
    for cell in _cells(file):
        inside = [(tally, polygon, _overlap(box, cell)) for tally, polygon, box in boxes]
        inside = [entry for entry in inside if all(entry[2])]
        if inside:
            _measure_cell(ordered, number, inside)


Window = tuple[range, range]


def _measure_cell(ordered: OverlappingMaps, number: int, zones: Sequence[tuple[_Tally, Any, Window]]) -> None:
    rows, columns = (
        range(min(box[axis].start for *_, box in zones), max(box[axis].stop for *_, box in zones)) for axis in (0, 1)
    )
    pixels = ordered.read_counted(number, rows, columns)
    hectares = ordered.hectares[number].window(rows, columns)
    for tally, polygon, box in zones:
        mask = paint_mask(polygon, *box)
        part = tuple(
            slice(own.start - whole.start, own.stop - whole.start)
            for own, whole in zip(box, (rows, columns), strict=True)
        )
        observed = mask & pixels.observed[part]
        unobserved = float(hectares[part][mask & pixels.unobserved[part]].sum())
        tally.add(pixels.values[part][observed], hectares[part][observed], unobserved)


def _cells(file: FinishedMap) -> Iterator[Window]:
    """Yield windows of whole blocks that cover a map."""
    steps = [CELL // side * side if side <= CELL else CELL for side in file.raster.block_shape]
    rows, columns = (
        [range(first, min(first + step, length)) for first in range(0, length, step)]
        for step, length in zip(steps, file.grid.shape, strict=True)
    )
    for row_range in rows:
        yield from ((row_range, column_range) for column_range in columns)


def _overlap(one: Window, other: Window) -> Window:
    rows, columns = (range(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _zone_area(zone: Zone, tally: _Tally, numbers: Sequence[int], ordered: OverlappingMaps) -> ZoneArea:
    import shapely

    observed = float(tally.hectares.sum())
    uncovered = polygon_hectares(shapely.difference(zone.geometry, ordered.coverage))
    has_classes, named = ordered.files[0].has_classes, ordered.class_names
    pixels: dict[int, int] = dict(enumerate(tally.pixels.tolist()))
    hectares: dict[int, float] = dict(enumerate(tally.hectares.tolist()))
    classes = tuple(
        ZoneClass(
            number,
            named[number] if number < len(named) else str(number),
            pixels.get(number, 0),
            hectares.get(number, 0.0),
            _share(hectares.get(number, 0.0), observed),
        )
        for number in numbers
    )
    return ZoneArea(
        zone.name,
        classes,
        int(tally.pixels.sum()),
        observed,
        tally.unobserved_hectares + uncovered,
        polygon_hectares(zone.geometry),
        None if has_classes or not observed else tally.value_hectares / observed,
        None if has_classes else tally.value_hectares,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
