"""The layers of an area's map: what was predicted, and which image each pixel is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.area_maps.pictures.number_text import day_of
from instageo.area_maps.pictures.outlines import outline_bounds, polygons_of, unwrap
from instageo.area_maps.pictures.palette_image import PaletteImage, paint
from instageo.area_maps.results import AreaMaps, TileMap
from instageo.model.figures.colors import Color, class_colors
from instageo.model.figures.rgb import Limits, percentile_limits, stretch
from instageo.model.quicklooks.map_keys import color_scale
from instageo.raster.area_products.overview_image import OverviewGrid, count_layers, fit_overview, read_overview
from instageo.raster.rasterizing import paint_polygons
from instageo.raster.warp import WGS84
from instageo.wording import counted

SIDE = 1600
"""Longer side of a picture, pixels."""

SHADES = 64
"""Colours of a regression map."""

NO_IMAGE = 255
"""Number of no image in files of coverage."""

UNOBSERVED = "not observed"


@dataclass(frozen=True)
class LayerEntry:
    """One row of a layer's legend.

    Attributes:
        color: Its colour; None for stripes.
        name: What it stands for.
        share: Its share of the area in the picture, 0 to 1.
        number: Number of the class; None for other layers, and for pixels without an observation.
        note: Further words, such as the number of images.
    """

    color: Color | None
    name: str
    share: float
    number: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Layer:
    """A picture of an area with its legend.

    Attributes:
        name: Short name.
        image: The picture.
        entries: Its legend; empty for a regression map.
        limits: Values of the first and the last colour of a regression map; None for other layers.
    """

    name: str
    image: PaletteImage
    entries: Sequence[LayerEntry]
    limits: Limits | None = None


@dataclass(frozen=True)
class AreaCanvas:
    """Pixels of the pictures of an area.

    Attributes:
        grid: Where they lie.
        inside: Which of them lie in the area, shape (H, W).
        outline: The area as a shape, degrees.
    """

    grid: OverviewGrid
    inside: NDArray[np.bool_]
    outline: object

    @property
    def center(self) -> float:
        """Longitude of the middle, degrees."""
        return (self.grid.bounds[0] + self.grid.bounds[2]) / 2


def lay_out(maps: AreaMaps, side: int = SIDE) -> AreaCanvas:
    """Return the pixels of the pictures of an area, at most that many on the longer side."""
    grid = fit_overview(outline_bounds(maps.geometry), side)
    outline = unwrap(maps.geometry)
    painted = paint_polygons([(part, 1.0) for part in polygons_of(outline)], WGS84, grid.grid)
    return AreaCanvas(grid, painted.valid, outline)


def colors_of(maps: AreaMaps) -> dict[int, Color]:
    """Return the colours of the classes by number: those of the maps, else the usual ones."""
    given = [tuple(bytes.fromhex(color.removeprefix("#"))) for color in maps.class_colors]
    return class_colors(given if len(given) >= len(maps.class_names) else None, maps.class_names)


def draw_map_layer(maps: AreaMaps, canvas: AreaCanvas) -> Layer:
    """Return the picture of the maps: classes in their colours, or values from low to high.

    Raises:
        RasterError: A map cannot be read.
    """
    values = read_overview(maps.maps, canvas.grid).values
    if not maps.class_names:
        return draw_values("map", values, canvas)
    classes = np.where(np.isnan(values), -1, values).astype(np.int32)
    colors = colors_of(maps)
    shares = shares_of(classes, canvas)
    entries = [
        LayerEntry(colors[number], name, shares.get(number, 0.0), number)
        for number, name in enumerate(maps.class_names)
    ]
    return Layer("map", paint(classes, canvas.inside, list(colors.values())), [*entries, *_unobserved(shares)])


def draw_values(name: str, values: NDArray[np.floating], canvas: AreaCanvas) -> Layer:
    """Return a picture of values, shape (H, W), from low to high; NaN without an observation."""
    observed = ~np.isnan(values)
    limits = percentile_limits(values, observed)
    steps = np.rint(stretch(values, limits) * (SHADES - 1)).astype(np.int32)
    scale = np.rint(255 * color_scale(np.linspace(0, 1, SHADES))).astype(int)
    shades: list[Color] = [(int(red), int(green), int(blue)) for red, green, blue in scale]
    return Layer(name, paint(np.where(observed, steps, -1), canvas.inside, shades), (), limits)


def draw_coverage_layers(maps: AreaMaps, canvas: AreaCanvas) -> list[Layer]:
    """Return the pictures of when each pixel was observed, one for each date of the model.

    Pixels have the colour of the day of their image; for medians that of the number of their observations.

    Raises:
        RasterError: A file of coverage cannot be read.
    """
    tiles = [tile for tile in maps.tiles if tile.error is None and tile.coverage is not None]
    files = [tile.coverage for tile in tiles if tile.coverage is not None]
    if not files:
        return []
    counts = maps.request.composite == "median"
    layers = min(count_layers(path) for path in files)
    what = "number of observations" if counts else "day of the image"
    names = [what] if layers == 1 else [f"{what}, date {date + 1} of the model" for date in range(layers)]
    if counts:
        return [_draw_counts(name, files, canvas, layer) for layer, name in enumerate(names)]
    return [_draw_days(name, tiles, canvas, layer) for layer, name in enumerate(names)]


def _draw_days(name: str, tiles: Sequence[TileMap], canvas: AreaCanvas, layer: int) -> Layer:
    files = [tile.coverage for tile in tiles if tile.coverage is not None]
    overview = read_overview(files, canvas.grid, layer, empty=(NO_IMAGE,))
    numbers = np.where(np.isnan(overview.values), NO_IMAGE, overview.values).astype(np.int32)
    days = sorted({day_of(image.time) for tile in tiles for image in tile.images})
    ranks = np.full((len(tiles), NO_IMAGE + 1), -1, np.int32)
    for row, tile in enumerate(tiles):
        for number, image in enumerate(tile.images[:NO_IMAGE]):
            ranks[row, number] = days.index(day_of(image.time))
    classes = np.where(overview.source >= 0, ranks[overview.source, np.minimum(numbers, NO_IMAGE)], -1)
    classes = np.where(canvas.inside, classes, -1)
    colors, shares = _ramp(len(days)), shares_of(classes, canvas)
    used = [[image for tile in tiles for image in tile.images if day_of(image.time) == day] for day in days]
    entries = [
        LayerEntry(colors[rank], day, shares.get(rank, 0.0), note=counted(len(used[rank]), "image"))
        for rank, day in enumerate(days)
        if shares.get(rank)
    ]
    return Layer(name, paint(classes, canvas.inside, colors), [*entries, *_unobserved(shares)])


def _draw_counts(name: str, files: Sequence[Path], canvas: AreaCanvas, layer: int) -> Layer:
    values = read_overview(files, canvas.grid, layer, empty=(0, NO_IMAGE)).values
    numbers = np.nan_to_num(values).astype(np.int32)
    most = max(int(numbers.max()), 1)
    classes = np.where(canvas.inside, numbers - 1, -1)
    colors, shares = _ramp(most), shares_of(classes, canvas)
    entries = [
        LayerEntry(colors[number], counted(number + 1, "observation"), shares[number])
        for number in range(most)
        if shares.get(number)
    ]
    return Layer(name, paint(classes, canvas.inside, colors), [*entries, *_unobserved(shares)])


def _ramp(number: int) -> list[Color]:
    """Return colours from early to late, or from few to many, which differ in lightness as well."""
    scale = np.rint(255 * color_scale(np.linspace(0.05, 0.95, max(number, 1)) if number > 1 else np.array([0.5])))
    return [(int(red), int(green), int(blue)) for red, green, blue in scale]


def shares_of(classes: NDArray[np.signedinteger], canvas: AreaCanvas) -> dict[int, float]:
    """Return the share of the area of each class, and of -1, in which rows count by the cosine of their latitude."""
    grid = canvas.grid
    latitudes = grid.north - (np.arange(grid.height) + 0.5) * grid.lat_step
    weights = np.where(canvas.inside, np.cos(np.radians(latitudes))[:, None], 0.0)
    numbers = np.minimum(classes, 65535).ravel() + 1
    sums = np.bincount(numbers, weights.ravel())
    total = max(float(sums.sum()), 1e-300)
    return {number - 1: float(weight) / total for number, weight in enumerate(sums) if weight > 0}


def _unobserved(shares: dict[int, float]) -> list[LayerEntry]:
    return [LayerEntry(None, UNOBSERVED, shares[-1])] if -1 in shares else []
