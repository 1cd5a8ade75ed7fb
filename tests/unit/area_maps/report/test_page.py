"""The report of an area: what it says, that nothing breaks out of it, and that it asks for nothing."""

import base64
import csv
import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from instageo.area_maps.area_table import AreaTable, ChangeTable, SeriesPoint, SeriesTable, ZoneTable
from instageo.area_maps.pictures.layers import draw_map_layer, lay_out
from instageo.area_maps.report.page import write_report
from instageo.area_maps.request import AreaRequest, Days
from instageo.area_maps.results import MappedImage
from instageo.raster.reading import open_raster
from instageo.raster.writing import write_raster
from tests.unit.area_maps.example import HOSTILE, NAMES, box, make_changes, make_maps, make_series, make_table, zone

VOID = {"meta", "input", "br", "img", "link"}


class Page(HTMLParser):
    """Elements of a page with their attributes and texts, which checks that they are nested properly."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open, self.texts = [], [], {}
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        assert len(dict(attributes)) == len(attributes)
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, number in self.open:
            self.texts[number] = self.texts.get(number, "") + data

    def all(self, tag, **attributes):
        """Attributes and text of each element of a name."""
        return [
            (own, self.texts.get(number, ""))
            for number, (name, own) in enumerate(self.elements)
            if name == tag and attributes.items() <= own.items()
        ]

    def text(self, tag, **attributes):
        return [text for _, text in self.all(tag, **attributes)]


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return make_maps(tmp_path_factory.mktemp("maps") / "out")


@pytest.fixture(scope="module")
def page(maps, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(maps, make_table(), path, changes=make_changes(), series=make_series())
    return Page(path)


def rows_of(page, name):
    """Rows of a table as texts."""
    table = page.source.split(f'<table id="{name}"')[1].split("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr>")[1:]]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in rows]


def test_the_answer_comes_first(page):
    assert page.text("h1") == ["delta, 2026-11-20 to 2026-11-26"]
    assert page.text("p", **{"class": "answer"}) == [
        "Land: 68,766 ha, Flooded crops: 30,000 ha, Water: 1,234 ha of 100,000 ha observed; "
        "7.0 % of the area was not observed."
    ]
    assert page.text("h2") == [
        "Map", "Hectares", "Changes", "Over time", "What was observed when", "The model", "How to make it again",
        "How it was made", "Limits", "Data",
    ]  # fmt: skip


def test_of_two_classes_the_second_one_is_the_answer(maps, tmp_path):
    table = AreaTable(zone("the area", (700.0, 300.0), 0.0, names=NAMES[:2]))
    write_report(maps, table, tmp_path / "report.html")
    [answer] = Page(tmp_path / "report.html").text("p", **{"class": "answer"})
    assert answer == "Water: 300 ha of 1,000 ha observed; the whole area was observed."


def test_tables_show_hectares_and_shares(page):
    assert rows_of(page, "classes")[1:] == [
        ["Land", "6,876,600", "68,766 ha", "68.8 %", "64.0 %"],
        ["Water", "123,400", "1,234 ha", "1.2 %", "1.1 %"],
        ["Flooded crops", "3,000,000", "30,000 ha", "30.0 %", "27.9 %"],
        ["not observed", "", "7,527 ha", "", "7.0 %"],
    ]
    zones = rows_of(page, "zones")
    assert zones[1] == ["Northern district", "31,234 ha", "0 ha", "0 %", "1,000 ha (3.2 %)", "234 ha (0.7 %)",
                        "30,000 ha (96.0 %)"]  # fmt: skip
    assert zones[3][:4] == ["Beyond", "0 ha", "500 ha", "100 %"]
    assert zones[4][:4] == ["the area", "100,000 ha", "7,527 ha", "7.0 %"]
    assert rows_of(page, "gains")[1:] == [
        ["Land", "45.5 ha", "345 ha", "−300 ha"],
        ["Water", "345 ha", "45.5 ha", "+300 ha"],
    ]
    assert rows_of(page, "transitions")[1:] == [["Land", "Water", "345 ha"], ["Water", "Land", "45.5 ha"]]
    assert rows_of(page, "series")[3] == ["2026-10-03", "30.0 %", "89,850 ha", "150 ha"]
    images = rows_of(page, "images")
    assert images[1][:5] == ["S2B_T36NZF_20261120", "T36NZF", "sentinel-2-l2a", "2026-11-20 08:15", "12.5 %"]
    assert images[3][4:] == ["unknown", "0"]


def test_the_series_has_hollow_points_where_little_was_observed(page):
    circles = [own for own, _ in page.all("circle")]
    assert [own["class"] for own in circles] == 2 * ["point", "point", "point hollow", "point"]
    water = [own for own in circles if own["stroke"] == "#1f77b4"]
    heights = [200 - 34 - float(own["cy"]) for own in water]  # above the axis
    assert heights == pytest.approx([154 * value / 1234 for value in (500, 700, 150, 1234)], abs=0.06)


def test_the_csv_holds_unrounded_hectares(page):
    [(own, _)] = page.all("a")
    text = base64.b64decode(own["href"].removeprefix("data:text/csv;charset=utf-8;base64,")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert own["download"] == "areas.csv"
    assert len(rows) == 4 * 3
    assert rows[3] == {
        "zone": "Northern district", "class": "0", "name": "Land", "pixels": "100050", "hectares": "1000.5000",
        "share_of_observed": "0.032032", "zone_observed_hectares": "31234.5000", "zone_unobserved_hectares": "0.0000",
    }  # fmt: skip


def test_the_map_is_whole_without_a_script(page, maps):
    [(drawing, _)] = page.all("svg", id="drawing")
    canvas = lay_out(maps)
    assert drawing["viewbox"] == f"0 0 {canvas.grid.width} {canvas.grid.height}"
    assert drawing["role"] == "img"
    assert "Water: 1,234 ha" in drawing["aria-label"]
    pictures = [own for own, _ in page.all("image")]
    assert [own["class"] for own in pictures] == ["layer", "layer off"]
    content = base64.b64decode(pictures[0]["href"].removeprefix("data:image/png;base64,"))
    expected = draw_map_layer(maps, canvas).image.index
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), expected)
    assert [text for own, text in page.all("text") if "name" in own.get("class", "")] == [
        "Northern district",
        "Western district",
    ]
    assert {"36.0° E", "0.2° N"} <= set(page.text("text"))
    for tag in ("button", "output", "fieldset"):  # what needs a script is hidden without one
        for own, _ in page.all(tag):
            assert "hidden" in own or own.get("data-action"), own


def test_outlines_lie_where_longitude_and_latitude_say(page, maps):
    paths = [own["d"] for own, _ in page.all("path") if own.get("class") == "zone"]
    canvas = lay_out(maps)
    points = [tuple(map(float, point.split())) for point in re.split("[MLZ]", paths[0]) if point]
    corners = [canvas.grid.position(*corner) for corner in ((35.82, 0.3), (36.18, 0.3), (36.18, 0.39), (35.82, 0.39))]
    assert len(points) == 4
    for corner in corners:
        assert min(np.hypot(corner[0] - x, corner[1] - y) for x, y in points) < 0.1


def test_the_scale_bar_is_as_long_as_the_ground(page, maps):
    bar = page.source.split('<g class="scale"')[1].split("</g>")[0]
    left, right = (float(re.search(pattern, bar)[1]) for pattern in (r"M([\d.]+) ", r"H([\d.]+)v"))
    # A degree of longitude at latitude 0.25 is 111.3184 km on the ellipsoid.
    assert (right - left) * lay_out(maps).grid.lon_step * 111.3184 == pytest.approx(5, abs=0.02)
    assert ">5 km</text>" in bar


def test_a_zone_across_the_antimeridian_is_drawn_in_one_piece(maps, tmp_path):
    halves = [[[[lon, 0], [lon + 0.5, 0], [lon + 0.5, 0.5], [lon, 0.5], [lon, 0]]] for lon in (179.5, -180.0)]
    both = {"type": "MultiPolygon", "coordinates": halves}
    far = replace(maps, tiles=[], geometry=both)
    table = AreaTable(zone("the area", (0, 0, 0), 9.0), [zone("Date line", (0, 0, 0), 9.0, both)])
    write_report(far, table, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    [path] = [own["d"] for own, _ in page.all("path") if own.get("class") == "zone"]
    columns = [float(point.split()[0]) for point in re.split("[MLZ]", path) if point]
    grid = lay_out(far).grid
    expected = [grid.position(longitude, 0)[0] for longitude in (179.5, 180.5)]
    assert [min(columns), max(columns)] == pytest.approx(expected, abs=0.1)
    assert "180.0° W" in page.text("text")


def test_nothing_is_asked_of_the_network_and_only_its_own_script_runs(page):
    assert "://" not in page.source
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", page.source)
    for _, own in page.elements:
        for name in ("src", "href"):
            assert own.get(name, "data:").startswith("data:")
        assert not [name for name in own if name.startswith("on") or name == "style"]
    [policy] = [own["content"] for own, _ in page.all("meta") if own.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.text(tag)]
        assert rules[f"{tag}-src"].split() == [f"'sha256-{digest}'" for digest in hashes]


def test_hostile_names_stay_texts(maps, tmp_path):
    names = (HOSTILE, "<img src=x onerror=alert(1)>", "{{7*7}}")
    evil = [MappedImage(HOSTILE, HOSTILE, datetime(2026, 11, 20, tzinfo=UTC), 1.0, 5)] * 2
    tiles = [replace(maps.tiles[0], tile=HOSTILE, images=evil), replace(maps.tiles[1], error=HOSTILE)]
    model = dict.fromkeys(("name", "version", "checkpoint", "sha256"), HOSTILE)
    model |= {"scores": {HOSTILE: HOSTILE}, "limits": [HOSTILE], HOSTILE: [HOSTILE], "bands": [HOSTILE]}
    hostile = replace(
        maps, tiles=tiles, class_names=names, model=model, command=f"instageo map {HOSTILE}",
        request=replace(maps.request, area=f"{HOSTILE}.geojson", mask=(HOSTILE,)),
    )  # fmt: skip
    table = make_table(names, zone_name=HOSTILE)
    path = tmp_path / "report.html"
    write_report(hostile, table, path, changes=make_changes(names), series=make_series(names))
    page = Page(path)  # its elements are nested properly
    assert len(page.all("script")) == 2
    assert page.all("img") == []
    assert not any(name.startswith("on") for _, own in page.elements for name in own)
    assert "alert" not in "".join(page.text("script"))
    assert page.source.count("</script>") == 2
    assert HOSTILE in [text for own, text in page.all("text") if "name" in own.get("class", "")]
    assert page.text("th", scope="row")[4] == HOSTILE
    assert f"instageo map {HOSTILE}" in page.text("code")
    assert HOSTILE in "".join(page.text("figcaption"))


def test_formulas_in_names_are_harmless_in_a_spreadsheet(maps, tmp_path):
    table = make_table(("=1+1", "@x", "ok"), zone_name="-2+3")
    write_report(maps, table, tmp_path / "report.html")
    [(own, _)] = Page(tmp_path / "report.html").all("a")
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(own["href"].partition(",")[2]).decode())))
    assert {row["name"] for row in rows} == {"'=1+1", "'@x", "ok"}
    assert {row["zone"] for row in rows} >= {"the area", "'-2+3"}


def test_headings_tables_and_controls_have_names(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(own["aria-label"] for own, _ in page.all("div", role="region"))
    for own, text in page.all("button"):
        assert own.get("aria-label") or text
    ids = [own["id"] for _, own in page.elements if "id" in own]
    assert len(ids) == len(set(ids))
    assert {own["aria-labelledby"] for own, _ in page.all("section")} <= set(ids)
    assert page.all("html")[0][0]["lang"] == "en"
    assert all(own.get("aria-label") or own.get("aria-hidden") == "true" for own, _ in page.all("svg"))


def test_the_model_its_limits_and_the_data_are_named(page):
    text = re.sub(r"<[^>]+>", " ", page.source)
    for expected in ("ab" * 32, "Prithvi EO 2.0 300M", "sen1floods11", "IoU Water", "0.79", "test split, 90 chips"):
        assert expected in text
    warnings = page.text("p", **{"class": "warning"})
    assert warnings == ["Take care: the model was trained on images of 30 m; this map has pixels of 10 m"]
    assert "Contains modified Copernicus Sentinel data 2026" in text
    assert "instageo map flood-mapper --area delta.geojson" in page.text("code")[0]
    assert "marks as cloud or shadow were left out." in text


def test_each_owner_of_data_is_named(maps, tmp_path):
    collections = ("hls2-s30", "HLSL30_2.0", "landsat-c2-l2", "my-drone")
    images = [MappedImage(name, name, datetime(2025 + number % 2, 1, 1, tzinfo=UTC), None, 1)
              for number, name in enumerate(collections)]  # fmt: skip
    write_report(replace(maps, tiles=[replace(maps.tiles[0], images=images)]), make_table(), tmp_path / "report.html")
    text = Page(tmp_path / "report.html").source
    assert "doi:10.5067/HLS/HLSS30.002" in text
    assert "NASA Harmonized Landsat and Sentinel-2 (HLS) v2.0, 2025 to 2026" in text
    assert "modified Copernicus Sentinel data 2025," in text
    assert "courtesy of the U.S. Geological Survey" in text
    assert "terms of their own, which their catalogue states: my-drone." in text


def test_maps_of_values_have_a_mean_and_a_scale(tmp_path):
    maps = make_maps(tmp_path / "out", values=True)
    table = AreaTable(
        ZoneTable("the area", 1000.0, 50.0, mean=25.25),
        [ZoneTable("north", 10.0, 0.0, mean=30.5), ZoneTable("none", 0.0, 5.0)],
    )
    write_report(maps, table, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.text("p", **{"class": "answer"}) == [
        "Mean 25.25 over 1,000 ha observed; 4.8 % of the area was not observed."
    ]
    assert rows_of(page, "zones") == [
        ["Zone", "Observed", "Not observed", "Not observed, share", "Mean"],
        ["north", "10 ha", "0 ha", "0 %", "30.5"], ["none", "0 ha", "5 ha", "100 %", "none"],
        ["the area", "1,000 ha", "50 ha", "4.8 %", "25.25"],
    ]  # fmt: skip
    assert '<table id="classes"' not in page.source


def test_an_area_without_any_observation_or_map_is_reported(maps, tmp_path):
    failed = [replace(tile, error="no image of these days", images=(), coverage=None) for tile in maps.tiles]
    table = AreaTable(ZoneTable("the area", 0.0, 107_527.0))
    bare = replace(maps, tiles=failed, model={}, command="")
    write_report(
        bare, table, tmp_path / "report.html", changes=ChangeTable("a", "b", [], [], 0, 1), series=SeriesTable([])
    )
    page = Page(tmp_path / "report.html")
    assert page.text("p", **{"class": "answer"}) == ["Nothing of the area, 107,527 ha, was observed in these days."]
    assert page.text("p", **{"class": "warning"}) == [
        "Tile T36NZF has no map: no image of these days",
        "Tile T37NAA has no map: no image of these days",
        "No scores of this model are known.",
    ]
    write_report(
        bare, table, tmp_path / "one.html", series=SeriesTable([SeriesPoint("2026-01-01", {"Water": 0.0}, 0.0)])
    )
    assert [own["class"] for own, _ in Page(tmp_path / "one.html").all("circle")] == ["point hollow"]


def test_models_of_several_dates_name_each_date(maps, tmp_path):
    days = (Days(date(2026, 5, 1), date(2026, 5, 9)), Days(date(2026, 11, 20), date(2026, 11, 20)))
    request = AreaRequest("35.8,0.1,36.2,0.4", days, mask=("cloud", "shadow"), max_cloud=60, dilation=100)
    write_report(replace(maps, request=request), make_table(), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.text("h1") == ["box 35.8, 0.1, 36.2, 0.4, 2026-05-01 to 2026-05-09; 2026-11-20"]
    assert rows_of(page, "images")[0][-1] == "Date of the model"
    assert rows_of(page, "images")[1][-1] == "1"
    assert "more than 60 % clouds" in page.source
    assert "with a rim of 100 pixels" in page.source


def test_a_noisy_map_of_two_tiles_stays_below_three_megabytes(tmp_path):
    names = tuple(f"class {number}" for number in range(3))
    maps = make_maps(tmp_path / "out", step=25.0, names=names)
    for tile in maps.tiles:  # every pixel has a class and an image of its own
        for path, number in ((tile.path, 12), (tile.coverage, 3)):
            with open_raster(path) as raster:
                grid = raster.info.grid
            noise = np.random.default_rng(0).integers(0, number, (1, *grid.shape)).astype(np.uint8)
            write_raster(path, noise, grid, no_data_value=255)
    twelve = tuple(f"class {number}" for number in range(12))
    zones = [zone(f"zone {number}", np.ones(12), 0.0, box(35.9, 0.2, 36, 0.3), twelve) for number in range(200)]
    table = AreaTable(zone("the area", np.ones(12), 0.0, names=twelve), zones)
    write_report(replace(maps, class_names=twelve, class_colors=()), table, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
