"""The map of the page: one drawing, which a script moves and zooms, and which is whole without one."""

import math
from collections.abc import Sequence

from instageo.area_maps.area_table import AreaTable, ZoneTable
from instageo.area_maps.pictures.graticule import graticule
from instageo.area_maps.pictures.layers import AreaCanvas, Layer, LayerEntry
from instageo.area_maps.pictures.number_text import hectares_text, percent_text
from instageo.area_maps.pictures.outlines import label_point, rings_of, unwrap
from instageo.area_maps.pictures.palette_image import HATCH_COLORS
from instageo.area_maps.report.csv_text import data_url
from instageo.area_maps.report.elements import Html, element, join, section
from instageo.model.figures.colors import Color
from instageo.model.quicklooks.map_legend import nice_length
from instageo.raster.map_products.ground_scale import ground_jacobian

HINT = (
    "Zoom with the wheel, two fingers, the buttons or + and −; move by dragging or with the arrow keys; 0 shows the "
    "whole area."
)

METRES_PER_DEGREE = 111_195.0
"""Length of a degree on a sphere, for pictures next to a pole."""

LETTER = 55
"""Height of letters of the drawing without a script: this part of its longer side."""


def map_section(canvas: AreaCanvas, layers: Sequence[Layer], table: AreaTable, description: str) -> Html:
    """Return the map with its buttons and legends.

    Args:
        canvas: Pixels of the layers.
        layers: Layers, of which the first one is shown at first.
        table: Hectares, and the zones that are shown.
        description: What a reader hears who cannot see the map.
    """
    zones = [zone for zone in table.zones if zone.geometry]
    buttons = [
        element("button", label, type="button", data_action=action, aria_label=name, title=name)
        for action, label, name in (
            ("in", "+", "Zoom in"),
            ("out", "−", "Zoom out"),
            ("all", "0", "Show the whole area"),
        )
    ]
    frame = element(
        "div",
        _drawing(canvas, layers, zones, description),
        element("div", *buttons, class_="buttons needs-script", hidden=True),
        element("output", "", id="pointer", class_="needs-script", hidden=True, aria_live="off"),
        id="map", tabindex=0, role="group",
        aria_label="Map. Plus and minus zoom, arrow keys move, zero shows the whole area.",
    )  # fmt: skip
    legends = [_legend(number, layer, table if number == 0 else None) for number, layer in enumerate(layers)]
    side = element("div", _controls(layers, bool(zones)), *legends, class_="side")
    hint = element("p", HINT, class_="quiet needs-script screen", hidden=True)
    return section("Map", "map", element("div", frame, side, class_="mapgrid"), hint)


def swatch(color: Color | None) -> Html:
    """Return a field of a colour, or a striped one."""
    if color is None:
        return element("span", "", class_="swatch stripes", aria_hidden="true")
    field = element("rect", width=16, height=16, fill=hex_color(color))
    return element("svg", field, class_="swatch", width=16, height=16, aria_hidden="true")


def hex_color(color: Color) -> str:
    """Return a colour as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _drawing(canvas: AreaCanvas, layers: Sequence[Layer], zones: Sequence[ZoneTable], description: str) -> Html:
    grid = canvas.grid
    letter = max(grid.width, grid.height) / LETTER
    pictures = [
        element("image", href=data_url(layer.image.png(), "image/png"), width=grid.width, height=grid.height,
                class_=f"layer{'' if number == 0 else ' off'}", data_layer=number, preserveAspectRatio="none")
        for number, layer in enumerate(layers)
    ]  # fmt: skip
    shapes = [
        _path(unwrap(zone.geometry, canvas.center), canvas, kind, name)
        for zone in zones
        if zone.geometry
        for kind, name in (("zone halo", None), ("zone", zone.name))
    ]
    names = [_zone_name(zone, canvas, letter) for zone in zones]
    return element(
        "svg",
        element("title", description),
        element("g", *pictures),
        element("g", *shapes, *names, class_="zones", aria_hidden="true"),
        _path(canvas.outline, canvas, "outline halo", None),
        _path(canvas.outline, canvas, "outline", None),
        element("g", *_lines(canvas, letter), class_="graticule", aria_hidden="true"),
        element("g", *_scale_bar(canvas, letter), class_="scale", aria_hidden="true"),
        viewBox=f"0 0 {grid.width} {grid.height}", role="img", aria_label=description, id="drawing",
        data_west=repr(grid.west), data_north=repr(grid.north), data_lon=repr(grid.lon_step),
        data_lat=repr(grid.lat_step), data_metres=repr(_metres_per_pixel(canvas)),
        data_width=grid.width, data_height=grid.height,
    )  # fmt: skip


def _path(shape: object, canvas: AreaCanvas, kind: str, name: str | None) -> Html:
    rings = rings_of(shape, canvas.grid.lat_step / 2)
    parts = [
        "M" + "L".join("{:.1f} {:.1f}".format(*canvas.grid.position(*point)) for point in ring[:-1]) + "Z"
        for ring in rings
    ]
    title = [element("title", name)] if name is not None else []
    return element("path", title, d="".join(parts), class_=kind)


def _zone_name(zone: ZoneTable, canvas: AreaCanvas, letter: float) -> Html:
    """Return the name of a zone; the script hides it where the zone is narrower than that."""
    shape = unwrap(zone.geometry or {}, canvas.center)
    x, y = canvas.grid.position(*label_point(shape))
    width = (shape.bounds[2] - shape.bounds[0]) / canvas.grid.lon_step
    hidden = " crowded" if width < 0.6 * letter * len(zone.name) else ""
    return element("text", zone.name, x=f"{x:.1f}", y=f"{y:.1f}", font_size=f"{letter:.1f}", class_=f"name{hidden}",
                   data_width=f"{width:.1f}")  # fmt: skip


def _lines(canvas: AreaCanvas, letter: float) -> list[Html]:
    """Return the graticule of the whole area; a script draws one for each view."""
    grid = canvas.grid
    west, south, east, north = grid.bounds
    size = f"{letter:.1f}"
    parts = []
    for line in graticule(west, east, "EW"):
        x = grid.position(line.value, north)[0]
        parts.append(element("path", d=f"M{x:.1f} 0V{grid.height}"))
        if 3 * letter < x < grid.width - 3 * letter:  # there is room for its label
            bottom = f"{grid.height - 0.4 * letter:.1f}"
            parts.append(element("text", line.label, x=f"{x:.1f}", y=bottom, font_size=size, class_="x"))
    for line in graticule(south, north, "NS"):
        y = grid.position(west, line.value)[1]
        parts.append(element("path", d=f"M0 {y:.1f}H{grid.width}"))
        if 2 * letter < y < grid.height - 2 * letter:
            left = f"{0.4 * letter:.1f}"
            parts.append(element("text", line.label, x=left, y=f"{y - 0.3 * letter:.1f}", font_size=size))
    return parts


def _scale_bar(canvas: AreaCanvas, letter: float) -> list[Html]:
    """Return a bar of a round length; a script draws one for each view."""
    metres = _metres_per_pixel(canvas)
    length = nice_length(metres * 10 * letter)
    left, bottom, right = 4 * letter, canvas.grid.height - 2.5 * letter, 4 * letter + length / metres
    line = f"M{left:.1f} {bottom - 0.4 * letter:.1f}V{bottom:.1f}H{right:.1f}v{-0.4 * letter:.1f}"
    middle, above = f"{(left + right) / 2:.1f}", f"{bottom - 0.5 * letter:.1f}"
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return [
        element("path", d=line, class_="halo"),
        element("path", d=line),
        element("text", label, x=middle, y=above, font_size=f"{letter:.1f}", class_="x"),
    ]


def _metres_per_pixel(canvas: AreaCanvas) -> float:
    """Return the width of a pixel in the middle of the picture, metres on the ground."""
    jacobian = ground_jacobian(canvas.grid.grid)
    return canvas.grid.lat_step * METRES_PER_DEGREE if jacobian is None else float(math.hypot(*jacobian[:, 0]))


def _controls(layers: Sequence[Layer], has_zones: bool) -> Html:
    rows = []
    for number, layer in enumerate(layers):
        box = element("input", type="checkbox", data_toggle=number, checked=number == 0)
        slider = element("input", type="range", min=0, max=100, value=100, data_opacity=number,
                         aria_label=f"Opacity: {layer.name}")  # fmt: skip
        rows.append(element("div", element("label", box, f" {layer.name}"), slider))
    if has_zones:
        box = element("input", type="checkbox", data_toggle="zones", checked=True)
        rows.append(element("div", element("label", box, " zones")))
    legend = element("legend", "Layers")
    return element("fieldset", legend, *rows, class_="needs-script screen", hidden=True)


def _legend(number: int, layer: Layer, table: AreaTable | None) -> Html:
    heading = element("h3", f"{layer.name[0].upper()}{layer.name[1:]}")
    if layer.limits is not None:
        low, high = layer.limits
        steps = range(0, len(layer.image.colors) - 3, 4)
        fields = [
            element("rect", x=index * 10, width=10, height=16, fill=hex_color(layer.image.colors[3 + step]))
            for index, step in enumerate(steps)
        ]
        ramp = element(
            "svg",
            *fields,
            class_="ramp",
            viewBox=f"0 0 {len(steps) * 10} 16",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
        return join(heading, ramp, element("p", f"≤ {low:.4g} to ≥ {high:.4g}"))
    shown = [entry for entry in layer.entries if entry.share > 0 or table is not None]
    items = [
        element(
            "li",
            swatch(entry.color),
            " ",
            element(
                "span", entry.name, data_color=" ".join(map(hex_color, [entry.color] if entry.color else HATCH_COLORS))
            ),
            element("span", _amount(entry, table), class_="amount"),
        )
        for entry in shown
    ]
    return join(heading, element("ul", *items, class_="legend", data_legend=number))


def _amount(entry: LayerEntry, table: AreaTable | None) -> str:
    if table is not None:
        areas = {row.number: row.hectares for row in table.area.classes}
        hectares = areas.get(entry.number, 0.0) if entry.number is not None else table.area.unobserved_hectares
        return hectares_text(hectares)
    parts = [percent_text(entry.share)] + ([entry.note] if entry.note else [])
    return ", ".join(parts)
