"""Hectares over time as a drawing in the page."""

from collections.abc import Mapping, Sequence

from instageo.area_maps.area_table import SeriesPoint, SeriesTable
from instageo.area_maps.pictures.number_text import hectares_text, percent_text
from instageo.area_maps.report.elements import Html, element, section
from instageo.area_maps.report.map_section import hex_color, swatch
from instageo.area_maps.report.number_tables import series_rows
from instageo.model.figures.colors import Color

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 420, 200, 72, 40, 34, 12
"""Sides of a chart and widths of its rims, in its own units."""

ENOUGH = 0.5
"""Observed share below which a point is hollow and no line leads to it."""

MOST_LABELS = 3

GREY: Color = (128, 128, 128)


def series_section(series: SeriesTable, colors: Mapping[str, Color]) -> Html:
    """Return a chart of hectares over time for each class, each from zero on its own scale, and the numbers.

    Args:
        series: Dates with their hectares; they are evenly apart in the charts.
        colors: Colours by name of the class.
    """
    names = list(dict.fromkeys(name for point in series.points for name in point.hectares))
    charts = [
        element(
            "figure",
            element("figcaption", swatch(colors.get(name, GREY)), " ", name),
            _chart(name, series.points, hex_color(colors.get(name, GREY))),
        )
        for name in names
    ]
    note = "Hectares of the observed area, each class on its own scale. Hollow points: less than half was observed."
    note_line = element("p", note, class_="quiet")
    return section("Over time", "series", note_line, element("div", *charts, class_="charts"), series_rows(series))


def _chart(name: str, points: Sequence[SeriesPoint], color: str) -> Html:
    most = max((point.hectares.get(name, 0.0) for point in points), default=0.0) or 1.0
    step = (WIDTH - LEFT - RIGHT) / max(len(points) - 1, 1)
    xs = [LEFT + index * step for index in range(len(points))]
    parts = []
    for part in (0.0, 0.5, 1.0):
        y = _y(most * part, most)
        label = hectares_text(most * part).removesuffix(" ha")
        parts.append(element("path", d=f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", class_="axis"))
        parts.append(element("text", label, x=LEFT - 10, y=f"{y + 4:.1f}", class_="end"))
    labelled = (
        {round(index * (len(points) - 1) / (MOST_LABELS - 1)) for index in range(MOST_LABELS)} if points else set()
    )
    for index in sorted(labelled):
        parts.append(element("text", points[index].label[:10], x=f"{xs[index]:.1f}", y=HEIGHT - 10, class_="middle"))
    parts += _line(name, points, xs, most, color)
    title = f"Hectares of {name} on {len(points)} dates; the numbers are in the table below."
    size = f"0 0 {WIDTH} {HEIGHT}"
    return element("svg", element("title", title), *parts, viewBox=size, role="img", aria_label=title, class_="chart")


def _line(name: str, points: Sequence[SeriesPoint], xs: Sequence[float], most: float, color: str) -> list[Html]:
    own = [(x, point) for x, point in zip(xs, points, strict=True) if name in point.hectares]
    enough = [f"{x:.1f} {_y(point.hectares[name], most):.1f}" for x, point in own if point.observed_share >= ENOUGH]
    parts = [element("path", d=f"M{'L'.join(enough)}", stroke=color, class_="line")] if enough else []
    for x, point in own:
        is_hollow = point.observed_share < ENOUGH
        hectares = point.hectares[name]
        label = f"{point.label}: {hectares_text(hectares)}, {percent_text(point.observed_share)} observed"
        parts.append(
            element("circle", element("title", label), cx=f"{x:.1f}", cy=f"{_y(hectares, most):.1f}", r=5, stroke=color,
                    fill=None if is_hollow else color, class_="point hollow" if is_hollow else "point")
        )  # fmt: skip
    return parts


def _y(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most
