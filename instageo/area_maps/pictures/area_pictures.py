"""Pictures of an area's maps as PNG: what was predicted, and when each part was observed."""

from pathlib import Path

from instageo.area_maps.area_table import AreaTable
from instageo.area_maps.pictures.area_sheet import AreaSheet, SheetText, compose_area_sheet, drawable
from instageo.area_maps.pictures.layers import Layer, LayerEntry, draw_coverage_layers, draw_map_layer, lay_out
from instageo.area_maps.pictures.number_text import hectares_text, percent_text
from instageo.area_maps.pictures.palette_image import HATCH_COLORS
from instageo.area_maps.pictures.place_text import days_of, model_of, place_of
from instageo.area_maps.results import AreaMaps
from instageo.errors import ConfigError
from instageo.model.figures.canvas import save_figure
from instageo.model.quicklooks.map_keys import ClassKey, ValueKey
from instageo.model.quicklooks.map_legend import MAX_CLASSES, MAX_NAME, TEXT, LegendEntry
from instageo.model.quicklooks.sheet import shorten

DPI = 200


def draw_area_quicklook(maps: AreaMaps, table: AreaTable | None, path: Path) -> None:
    """Draw the maps of an area together as a PNG, with legend, hectares, scale bar, north arrow and graticule.

    Args:
        maps: The maps.
        table: Hectares of the classes; None for shares alone.
        path: Output file.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses the file.
    """
    save_figure(compose_area_quicklook(maps, table).sheet.figure, path, DPI)


def draw_coverage(maps: AreaMaps, path: Path) -> None:
    """Draw when each part of an area was observed as a PNG; parts that were not observed are striped.

    If the model has several dates, their pictures are below each other.

    Args:
        maps: The maps.
        path: Output file.

    Raises:
        ConfigError: No map has a file of coverage.
        RasterError: A file of coverage cannot be read.
        WriteError: The disk refuses the file.
    """
    from instageo.area_maps.pictures.stacked_figures import save_stacked

    save_stacked([sheet.sheet.figure for sheet in compose_coverage(maps)], path, DPI)


def compose_area_quicklook(maps: AreaMaps, table: AreaTable | None) -> AreaSheet:
    """Return the sheet of `draw_area_quicklook`."""
    canvas = lay_out(maps)
    layer = draw_map_layer(maps, canvas)
    key: ClassKey | ValueKey = ClassKey(legend_entries(layer, table))
    if layer.limits is not None:
        key = ValueKey(layer.limits, drawable(str(maps.model.get("target") or ""), ""))
    footnote = "longitude and latitude, WGS 84 · striped: not observed"
    if table is not None:
        footnote += f" · {hectares_text(table.area.observed_hectares)} observed of {hectares_text(table.area.hectares)}"
    return compose_area_sheet(layer.image.rgb(), canvas, key, _texts(maps, f"model {model_of(maps)}", footnote))


def compose_coverage(maps: AreaMaps) -> list[AreaSheet]:
    """Return the sheets of `draw_coverage`, one for each date of the model."""
    canvas = lay_out(maps)
    layers = draw_coverage_layers(maps, canvas)
    if not layers:
        raise ConfigError(f"{maps.folder}: no map has a file of coverage; make the maps again")
    images = f"{sum(len(tile.images) for tile in maps.tiles):,} images · shares of the area in this picture"
    return [
        compose_area_sheet(layer.image.rgb(), canvas, ClassKey(legend_entries(layer, None)),
                           _texts(maps, f"when it was observed: {layer.name}", images))
        for layer in layers
    ]  # fmt: skip


def legend_entries(layer: Layer, table: AreaTable | None) -> list[LegendEntry]:
    """Return the legend of a layer, with hectares if there is a table; the largest classes if there are many."""
    areas = {row.number: row for row in table.area.classes} if table is not None else {}
    in_table = {number for number, row in areas.items() if row.pixels}
    shown = [entry for entry in layer.entries if entry.share > 0 or entry.number in in_table]
    largest = sorted(shown, key=lambda entry: (entry.color is not None, -entry.share))[: MAX_CLASSES + 1]
    entries = []
    for entry in (entry for entry in shown if entry in largest):
        amounts = [percent_text(entry.share)]
        if entry.number in areas:
            row = areas[entry.number]
            share = row.hectares / table.area.hectares if table is not None and table.area.hectares else 0.0
            amounts = [percent_text(share), hectares_text(row.hectares)]
        elif entry.color is None and table is not None:
            amounts = [percent_text(table.area.unobserved_share), hectares_text(table.area.unobserved_hectares)]
        if entry.note:
            amounts.append(entry.note)
        entries.append(LegendEntry(entry.color or HATCH_COLORS[0], _name(entry), tuple(amounts)))
    hidden = len(shown) - len(entries)
    return [*entries, LegendEntry(None, f"{hidden} further")] if hidden else entries


def _name(entry: LayerEntry) -> str:
    return shorten(drawable(entry.name, f"class {entry.number}"), TEXT, MAX_NAME)


def _texts(maps: AreaMaps, what: str, footnote: str) -> SheetText:
    return SheetText(place_of(maps.request), f"{days_of(maps.request)} · {what}", footnote)
