"""The layer of an area's map that shows gains and losses: what each pixel was before, and what it is after."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from instageo.area_maps.area_table import ChangeTable
from instageo.area_maps.pictures.layers import AreaCanvas, Layer, LayerEntry, draw_values, shares_of
from instageo.area_maps.pictures.number_text import hectares_text
from instageo.area_maps.pictures.palette_image import paint
from instageo.model.figures.colors import Color
from instageo.raster.area_products.change_colors import change_colors
from instageo.raster.area_products.changes import read_change_classes
from instageo.raster.area_products.overview_image import read_overview
from instageo.raster.reading import read_info

NOT_COMPARED = "not observed in both periods"


def draw_change_layer(changes: ChangeTable, canvas: AreaCanvas, colors: dict[int, Color]) -> Layer:
    """Return the picture of changes: a strong colour for each change, pale ones where nothing changed.

    Args:
        changes: The changes, with their maps.
        canvas: Pixels of the picture.
        colors: Colours of the classes.

    Raises:
        RasterError: A map cannot be read.
    """
    values = read_overview(changes.maps, canvas.grid).values
    names = _class_names(changes.maps)
    if names is None:
        return draw_values("change", values, canvas)
    classes = np.where(np.isnan(values), -1, values).astype(np.int32)
    shares, palette = shares_of(classes, canvas), change_colors(len(names), colors)
    hectares = {(each.before, each.after): each.hectares for each in changes.transitions}
    entries = []
    for number, color in palette.items():
        before, after = names[number // len(names)], names[number % len(names)]
        name = f"{after}, unchanged" if before == after else f"{before} → {after}"
        amount = hectares.get((before, after))
        entries.append(
            LayerEntry(color, name, shares.get(number, 0.0), note="" if amount is None else hectares_text(amount))
        )
    entries.sort(key=lambda entry: entry.name.endswith(", unchanged"))
    rest = [LayerEntry(None, NOT_COMPARED, shares[-1])] if -1 in shares else []
    return Layer("changes", paint(classes, canvas.inside, list(palette.values())), [*entries, *rest])


def _class_names(maps: Sequence[Path]) -> list[str] | None:
    """Return the names of the classes whose changes maps hold; None for differences of values."""
    return read_change_classes(maps[0], read_info(maps[0]).tags)
