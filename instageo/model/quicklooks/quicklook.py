"""A picture of a finished map for a first look: colours, legend, scale bar, north arrow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import save_figure
from instageo.model.figures.colors import NO_DATA_COLOR, Color, class_colors
from instageo.model.figures.rgb import Limits, percentile_limits, stretch
from instageo.model.quicklooks.fonts import find_families
from instageo.model.quicklooks.map_keys import ClassKey, ValueKey, color_scale
from instageo.model.quicklooks.map_legend import FAINT, INK, SMALL, class_entries, draw_north_arrow, draw_scale_bar
from instageo.model.quicklooks.sheet import Sheet, one_line, shorten
from instageo.raster.map_products.ground_scale import ground_jacobian
from instageo.raster.map_products.map_areas import ClassAreas, measure_classes
from instageo.raster.map_products.preview import Preview, read_preview
from instageo.raster.warp import crs_label

PREVIEW_SIDE = 1600
"""Longer side of the overview that is drawn, pixels."""

DPI = 200

LONGER_SIDE, SMALL_SIDE, SMALLEST = 8.0, 4.0, 0.15
"""Inches: longer side of a map, that of one of few pixels, and least side of a very narrow one."""

FEW_PIXELS = 40

MARGIN, TITLE_SIZE, BAR_LENGTH = 0.3, 13.0, 1.6
"""Inches around everything; points; inches of the scale bar at most."""

FURNITURE_HEIGHT = 0.85
"""Height of the scale bar and the north arrow, inches."""

WIDE = 1.7
"""Maps that are wider than high by this factor have their legend below."""

MAX_ASPECT = 5.0
"""Most that pixels are stretched to show the ground as it is; grids in degrees have narrow pixels near the poles."""


@dataclass(frozen=True)
class _Picture:
    """A map to be drawn: its colours, shape (H, W, 3), and its size in inches."""

    pixels: NDArray[np.uint8]
    width: float
    height: float


def draw_quicklook(
    map_path: str | Path, out_png: Path, *, title: str | None = None, areas: ClassAreas | None = None
) -> None:
    """Draw a map of classes with their shares and areas, or one of values with a scale of colours, as a PNG.

    North is up, as far as turning the map round by its sides allows; the arrow points to true north at its centre.

    Args:
        map_path: The map; only an overview of it is drawn.
        out_png: The picture.
        title: Its heading; the name of the map by default.
        areas: What `measure_classes` returns for the map; None to measure now.

    Raises:
        RasterError: The map cannot be read.
        WriteError: The disk refuses the file.
    """
    save_figure(compose_quicklook(map_path, title=title, areas=areas).figure, out_png, DPI)


def compose_quicklook(map_path: str | Path, *, title: str | None = None, areas: ClassAreas | None = None) -> Sheet:
    """Return the picture of a map as a sheet; see `draw_quicklook`."""
    preview = read_preview(map_path, PREVIEW_SIDE)
    if preview.file.has_classes:
        areas = areas or measure_classes(map_path)
        names = [area.name for area in areas.classes]
        given = dict(preview.file.class_colors) if preview.file.class_colors else {}
        usual = class_colors(None, names)
        colors = {area.number: given.get(area.number, usual[place]) for place, area in enumerate(areas.classes)}
        pixels = _color_classes(preview, colors)
        key: ClassKey | ValueKey = ClassKey(class_entries(areas, colors))
    else:
        limits = percentile_limits(preview.values, preview.valid)
        pixels = _color_values(preview, limits)
        description = preview.file.info.descriptions[0]
        key = ValueKey(limits, description if find_families(description) else "")
    jacobian = ground_jacobian(preview.grid)
    picture = _size(pixels, jacobian)
    heading = one_line(title if title is not None else Path(str(map_path)).name)
    if not find_families(heading):
        heading = "map"
    return _compose(picture, heading, _describe_place(preview), key, jacobian)


def _color_classes(preview: Preview, colors: Mapping[int, Color]) -> NDArray[np.uint8]:
    """Return the colours of classes, shape (H, W, 3)."""
    palette = np.full((max(colors, default=0) + 2, 3), NO_DATA_COLOR, dtype=np.uint8)
    for number, color in colors.items():
        palette[number] = color
    index = np.where(preview.valid, preview.values, len(palette) - 1).astype(np.int64)
    return palette[np.minimum(index, len(palette) - 1)]


def _color_values(preview: Preview, limits: Limits) -> NDArray[np.uint8]:
    """Return colours for values between their limits, shape (H, W, 3)."""
    colors = np.rint(255 * color_scale(stretch(preview.values, limits))).astype(np.uint8)
    colors[~preview.valid] = NO_DATA_COLOR
    return colors


def _size(pixels: NDArray[np.uint8], jacobian: NDArray[np.float64] | None) -> _Picture:
    """Return a map with its size on the sheet, which shows the ground in its proportions."""
    height, width = pixels.shape[:2]
    aspect = 1.0
    if jacobian is not None:
        lengths = np.hypot(*jacobian)
        aspect = float(np.clip(lengths[1] / lengths[0], 1 / MAX_ASPECT, MAX_ASPECT))
    side = SMALL_SIDE if max(height, width) < FEW_PIXELS else LONGER_SIDE
    scale = side / max(width, height * aspect)
    return _Picture(pixels, max(width * scale, SMALLEST), max(height * aspect * scale, SMALLEST))


def _compose(
    picture: _Picture, heading: str, place: str, key: ClassKey | ValueKey, jacobian: NDArray[np.float64] | None
) -> Sheet:
    """Return the sheet: heading, map, key with scale bar and arrow at its right or below, and the place."""
    furniture = 0.0 if jacobian is None else FURNITURE_HEIGHT
    is_wide = picture.width > WIDE * picture.height
    top = MARGIN + 0.4
    if is_wide:
        inner = max(picture.width, key.width + BAR_LENGTH + 1.2)
        key_width = inner - (BAR_LENGTH + 1.2 if furniture else 0)
        body = picture.height + MARGIN + max(key.height(key_width), furniture)
    else:
        key_width = key.width
        inner = picture.width + MARGIN + max(key_width, BAR_LENGTH + 0.9 if furniture else 0)
        body = max(picture.height, key.height(key_width) + furniture + MARGIN * bool(furniture))
    sheet = Sheet(inner + 2 * MARGIN, top + body + 0.25 + MARGIN)
    sheet.figure.set_facecolor("white")
    heading = shorten(heading, TITLE_SIZE, inner, "bold")
    sheet.text(MARGIN, MARGIN + 0.1, heading, TITLE_SIZE, weight="bold", color=INK)
    sheet.image(MARGIN, top, picture.width, picture.height, picture.pixels)
    sheet.rectangle(MARGIN, top, picture.width, picture.height, fill=False, edgecolor="0.5", linewidth=0.6)
    if is_wide:
        key_x, key_y = MARGIN, top + picture.height + MARGIN
        furniture_x, furniture_y = MARGIN + inner - BAR_LENGTH - 0.9, key_y
    else:
        key_x, key_y = MARGIN + picture.width + MARGIN, top
        furniture_x, furniture_y = key_x, top + body - FURNITURE_HEIGHT
    key.draw(sheet, key_x, key_y, key_width)
    if jacobian is not None:
        steps = np.array([picture.width / picture.pixels.shape[1], picture.height / picture.pixels.shape[0]])
        draw_north_arrow(sheet, furniture_x + 0.3, furniture_y + 0.42, np.linalg.inv(jacobian)[:, 1] * steps)
        metres_per_inch = float(np.hypot(*jacobian[:, 0]) / steps[0])
        draw_scale_bar(sheet, furniture_x + 0.8, furniture_y + 0.34, metres_per_inch, BAR_LENGTH)
    sheet.text(MARGIN, sheet.height - MARGIN + 0.05, shorten(place, SMALL, inner), SMALL, color=FAINT)
    return sheet


def _describe_place(preview: Preview) -> str:
    """Return centre, reference system and size of a map as text."""
    grid = preview.file.grid
    size = f"{grid.width:,} x {grid.height:,} pixels"
    center = grid.center_lat_lon()
    if grid.crs is None or center is None:
        return f"no georeference · {size}"
    latitude, longitude = center
    position = f"{abs(latitude):.4f}° {'NS'[latitude < 0]}, {abs(longitude):.4f}° {'EW'[longitude < 0]}"
    return f"centre {position} · {crs_label(grid.crs)} · {size}"
