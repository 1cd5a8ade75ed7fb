"""The report of an area as one page of HTML, which needs no other file and sends no request."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from instageo.area_maps.area_table import AreaTable, ChangeTable, SeriesTable
from instageo.area_maps.pictures.change_layer import draw_change_layer
from instageo.area_maps.pictures.layers import Layer, colors_of, draw_coverage_layers, draw_map_layer, lay_out
from instageo.area_maps.pictures.place_text import days_of, model_of, place_of, title_of
from instageo.area_maps.report.answer import answer_of
from instageo.area_maps.report.attribution import credits_of
from instageo.area_maps.report.elements import Html, element, join, raw, section
from instageo.area_maps.report.map_section import map_section
from instageo.area_maps.report.method_text import describe_limits, describe_method
from instageo.area_maps.report.model_card import model_section
from instageo.area_maps.report.number_tables import area_section, change_section, image_section
from instageo.area_maps.report.series_chart import series_section
from instageo.area_maps.results import AreaMaps
from instageo.files import write_text

ASSETS = Path(__file__).parent
STYLE, SCRIPTS = "page.css", ("map.js", "tables.js")


def write_report(
    maps: AreaMaps,
    table: AreaTable,
    path: Path,
    *,
    changes: ChangeTable | None = None,
    series: SeriesTable | None = None,
) -> None:
    """Write the report of an area's maps as one file of HTML.

    Args:
        maps: The maps.
        table: Hectares of the area and its zones.
        path: Output file.
        changes: Two periods compared, if they were.
        series: Hectares over time, if there are several dates.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses the file.
    """
    write_text(path, "<!doctype html>\n" + render_report(maps, table, changes, series) + "\n")


def render_report(maps: AreaMaps, table: AreaTable, changes: ChangeTable | None, series: SeriesTable | None) -> Html:
    """Return the page of `write_report` as HTML."""
    canvas = lay_out(maps)
    colors = colors_of(maps)
    changed = [draw_change_layer(changes, canvas, colors)] if changes is not None and changes.maps else []
    layers: list[Layer] = [draw_map_layer(maps, canvas), *changed, *draw_coverage_layers(maps, canvas)]
    answer = answer_of(table)
    sections = [
        map_section(canvas, layers, table, f"Map of {title_of(maps)}. {answer}"),
        area_section(table, colors),
        change_section(changes) if changes is not None else None,
        series_section(series, _colors_by_name(maps)) if series is not None else None,
        image_section(maps, table),
        model_section(maps.model),
        _repeat_section(maps.command),
        _text_section("How it was made", "method", describe_method(maps, table)),
        _text_section("Limits", "limits", describe_limits(maps)),
        _text_section("Data", "data", credits_of([image for tile in maps.tiles for image in tile.images])),
    ]
    header = element(
        "header",
        element("h1", title_of(maps)),
        element("p", f"Model: {model_of(maps)}", class_="quiet"),
        element("p", answer, class_="answer"),
    )
    status = element("p", "", id="status", role="status", aria_live="polite")
    body = element("body", header, element("main", *sections), status, _scripts())
    return element("html", _head(maps), body, lang="en")


def content_policy(style: str, scripts: Sequence[str]) -> str:
    """Return a policy that allows this page's own style, scripts and pictures, and nothing from elsewhere."""
    hashes = " ".join(f"'{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src {hashes}; base-uri 'none'; "
        "form-action 'none'"
    )


def _head(maps: AreaMaps) -> Html:
    style = _asset(STYLE)
    policy = content_policy(style, [_asset(name) for name in SCRIPTS])
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{place_of(maps.request)}, {days_of(maps.request)}: {model_of(maps)}"),
        raw("style", style),
    )


def _repeat_section(command: str) -> Html | None:
    if not command:
        return None
    copy = element("button", "Copy the command", type="button", data_copy="command", class_="needs-script", hidden=True)
    box = element("pre", element("code", command, id="command"), tabindex=0)
    return section("How to make it again", "repeat", box, element("p", copy, class_="screen"))


def _text_section(title: str, name: str, lines: Sequence[str]) -> Html | None:
    if not lines:
        return None
    return section(title, name, element("ul", *(element("li", line) for line in lines)))


def _colors_by_name(maps: AreaMaps) -> dict[str, tuple[int, int, int]]:
    colors = colors_of(maps)
    return {name: colors[number] for number, name in enumerate(maps.class_names)}


def _scripts() -> Html:
    return join(*(raw("script", _asset(name)) for name in SCRIPTS))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
