"""Areas of the classes of a finished map, on the ground, as JSON and CSV."""

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.files import write_text
from instageo.raster.grid import Grid
from instageo.raster.map_products.finished_map import FinishedMap, MapRows, open_map
from instageo.raster.pixel_area import HECTARES_PER_KM2, PixelAreas, compute_pixel_areas
from instageo.wording import harmless_cell

MAX_COUNTERS = 1 << 20
"""Counters, rows times bands of columns times classes, in use at once."""


@dataclass(frozen=True)
class ClassArea:
    """One class of a map.

    Attributes:
        number: Value of its pixels.
        name: Its name; the number if the map has no name for it.
        pixels: How many pixels have it.
        hectares: Their area on the ground; None if the map is nowhere on Earth.
        share: Their share of the valid pixels, by area if it is known; 0 if no pixel is valid.
    """

    number: int
    name: str
    pixels: int
    hectares: float | None
    share: float


@dataclass(frozen=True)
class ClassAreas:
    """Areas of all classes that a map names or contains.

    Attributes:
        map_name: Name of the file.
        classes: The classes by number.
        no_data_pixels: Pixels without an observation.
        method: How areas were computed, or why not; one sentence.
        planar_scale: Area of the map in the plane of its projected reference system per area on the ellipsoid: how much
            larger areas of programs are that compute in the plane; None in degrees.
    """

    map_name: str
    classes: tuple[ClassArea, ...]
    no_data_pixels: int
    method: str
    planar_scale: float | None = None

    @property
    def valid_pixels(self) -> int:
        """Pixels with a class."""
        return sum(area.pixels for area in self.classes)

    @property
    def hectares(self) -> float | None:
        """Area of all valid pixels; None if the map is nowhere on Earth."""
        return (
            None if any(area.hectares is None for area in self.classes) else sum(a.hectares or 0 for a in self.classes)
        )


def measure_classes(path: str | Path) -> ClassAreas:
    """Count the pixels of each class of a map and sum their areas, in bounded memory.

    Raises:
        RasterError: The map cannot be read, or holds values instead of classes.
    """
    with open_map(path) as file:
        file.require_classes("areas need")
        pixel_areas = compute_pixel_areas(file.grid)
        counter = _ClassCounter(pixel_areas)
        for rows in file.read_rows():
            counter.add(rows)
        return ClassAreas(
            Path(str(path)).name,
            _class_areas(file, counter),
            counter.no_data_pixels,
            _describe_method(file.grid, pixel_areas),
            None if pixel_areas is None else pixel_areas.planar_scale,
        )


def write_areas(areas: ClassAreas, path: Path) -> list[Path]:
    """Write areas as JSON to a path, and as CSV next to it; return both paths.

    Raises:
        WriteError: The disk refuses a file.
    """
    record = asdict(areas) | {"valid_pixels": areas.valid_pixels, "hectares": areas.hectares}
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", "name", "pixels", "hectares", "share"])
    for area in areas.classes:
        writer.writerow([area.number, harmless_cell(area.name), area.pixels, area.hectares, area.share])
    table_path = path.with_suffix(".csv")
    write_text(table_path, table.getvalue())
    return [path, table_path]


class _ClassCounter:
    """Sums over the pixels of a map by class."""

    def __init__(self, areas: PixelAreas | None) -> None:
        self._areas = areas
        widths = [1] if areas is None else np.diff(areas.column_ends)
        self._num_bands = len(widths)
        self._column_bands = np.arange(len(widths)) if areas is None else np.arange(len(widths)).repeat(widths)
        self.pixels = np.zeros(0, dtype=np.int64)
        self.hectares = np.zeros(0)
        self.no_data_pixels = 0

    @property
    def has_areas(self) -> bool:
        """Whether areas of pixels are known."""
        return self._areas is not None

    def add(self, rows: MapRows) -> None:
        """Count the pixels of rows."""
        num_classes = int(rows.values.max(initial=0, where=rows.valid)) + 1
        if num_classes > len(self.pixels):
            further = num_classes - len(self.pixels)
            self.pixels, self.hectares = np.pad(self.pixels, (0, further)), np.pad(self.hectares, (0, further))
        counters = self._num_bands * (num_classes + 1)
        step = max(min(MAX_COUNTERS // counters, MAX_COUNTERS // rows.values.shape[1]), 1)
        for first in range(0, len(rows.values), step):
            part = slice(first, first + step)
            self._add_part(rows.row + first, rows.values[part], rows.valid[part], num_classes)

    def _add_part(self, row: int, values: NDArray[np.generic], valid: NDArray[np.bool_], num_classes: int) -> None:
        counters = num_classes + 1  # the last one counts no-data
        index = np.where(valid, values, num_classes).astype(np.int64)
        index += np.arange(len(index))[:, None] * counters * self._num_bands
        index += self._column_bands * counters
        num_cells = len(index) * self._num_bands
        counts = np.bincount(index.ravel(), minlength=num_cells * counters).reshape(num_cells, counters)
        self.pixels[:num_classes] += counts[:, :num_classes].sum(axis=0)
        self.no_data_pixels += int(counts[:, num_classes].sum())
        if self._areas is not None:
            areas = self._areas.km2[row : row + len(index)].ravel() * HECTARES_PER_KM2
            self.hectares[:num_classes] += areas @ counts[:, :num_classes]


def _class_areas(file: FinishedMap, counter: _ClassCounter) -> tuple[ClassArea, ...]:
    """Return the classes that have a name or a pixel."""
    length = max(len(file.class_names), len(counter.pixels))
    pixels = np.pad(counter.pixels, (0, length - len(counter.pixels)))
    hectares = np.pad(counter.hectares, (0, length - len(counter.hectares)))
    weights = hectares if counter.has_areas else pixels
    shares = weights / max(float(weights.sum()), 1e-300)
    return tuple(
        ClassArea(
            number,
            file.class_name(number),
            int(pixels[number]),
            float(hectares[number]) if counter.has_areas else None,
            float(shares[number]),
        )
        for number in range(length)
        if number < len(file.class_names) or pixels[number]
    )


def _describe_method(grid: Grid, areas: PixelAreas | None) -> str:
    """Return how areas were computed, or why not."""
    if grid.crs is None:
        return "no hectares, since the map has no coordinate reference system"
    if areas is None:
        return "no hectares, since the map's grid is rotated in degrees, nowhere on Earth, or its pixels have no size"
    if areas.planar_scale == 1:
        return "area of a pixel in the plane of the map's coordinate reference system"
    return "area of each pixel on the ellipsoid WGS 84"
