"""Tables of the page: hectares by class and zone, images, changes, and a series of dates."""

from collections.abc import Mapping, Sequence

from instageo.area_maps.area_table import AreaTable, ChangeTable, SeriesTable, ZoneTable
from instageo.area_maps.pictures.number_text import hectares_text, percent_text, signed_hectares, time_text
from instageo.area_maps.report.csv_text import data_url, table_csv
from instageo.area_maps.report.elements import Html, element, join, section
from instageo.area_maps.report.map_section import swatch
from instageo.area_maps.results import AreaMaps
from instageo.model.figures.colors import Color

Cell = str | Html | tuple[float, str]
"""A text, or a number with its text, by which columns are sorted."""


def data_table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], name: str, total: Sequence[Cell] | None = None
) -> Html:
    """Return a table that scrolls sideways if it is too wide; a script lets readers sort and copy it.

    Args:
        caption: What it shows.
        columns: Titles; the first column names the rows.
        rows: Cells.
        name: Its id on the page.
        total: Last row, which stays there when the others are sorted.
    """
    numeric = [any(isinstance(row[index], tuple) for row in rows) for index in range(len(columns))]
    head = [
        element("th", title, scope="col", class_="number" if is_number else None)
        for title, is_number in zip(columns, numeric, strict=True)
    ]
    body = element("tbody", *(_row(row) for row in rows))
    foot = None if total is None else element("tfoot", _row(total))
    table = element("table", element("caption", caption), element("thead", element("tr", *head)), body, foot,
                    id=name, class_="sortable")  # fmt: skip
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


def area_section(table: AreaTable, colors: Mapping[int, Color]) -> Html:
    """Return hectares by class, then by zone, with their CSV.

    Args:
        table: The hectares.
        colors: Colours by number of the class.
    """
    csv_url = data_url(table_csv(table).encode(), "text/csv;charset=utf-8")
    csv = element("a", "Download as CSV", href=csv_url, download="areas.csv", class_="button")
    copied = "zones" if table.zones or not table.area.classes else "classes"
    copy = element("button", "Copy the table", type="button", data_copy=copied, class_="needs-script", hidden=True)
    tables = [_class_table(table.area, colors)] if table.area.classes else []
    return section("Hectares", "hectares", *tables, _zone_table(table), element("p", csv, " ", copy, class_="screen"))


def image_section(maps: AreaMaps, table: AreaTable) -> Html:
    """Return which images were used, and how much was not observed."""
    several = len(maps.request.days) > 1
    titles = ["Image", "Tile", "Collection", "Taken (UTC)", "Clouds in the image", "Pixels used"]
    rows: list[list[Cell]] = []
    for tile in maps.tiles:
        for image in tile.images:
            percent = image.cloud_percent
            clouds: Cell = "unknown" if percent is None else (percent, f"{percent:.1f} %")
            pixels = image.pixels, f"{image.pixels:,}"
            row: list[Cell] = [image.id, tile.tile, image.collection, time_text(image.time), clouds, pixels]
            rows.append([*row, (image.date + 1, str(image.date + 1))] if several else row)
    failed = [
        element("p", f"Tile {tile.tile} has no map: {tile.error}", class_="warning")
        for tile in maps.tiles
        if tile.error
    ]
    area = table.area
    share = f"{hectares_text(area.unobserved_hectares)}, {percent_text(area.unobserved_share)} of the area"
    caption = "Images of the tiles, in the order in which they were preferred"
    titles += ["Date of the model"] if several else []
    images = data_table(caption, titles, rows, "images")
    return section("What was observed when", "images", element("p", f"Not observed: {share}."), *failed, images)


def change_section(changes: ChangeTable) -> Html:
    """Return gains and losses by class, and the areas that changed from one class to another."""
    classes: list[list[Cell]] = [
        [row.name, _area(row.gain), _area(row.loss), (row.gain - row.loss, signed_hectares(row.gain - row.loss))]
        for row in changes.classes
    ]
    largest = sorted(changes.transitions, key=lambda row: -row.hectares)
    moved: list[list[Cell]] = [
        [row.before, row.after, _area(row.hectares)] for row in largest if row.before != row.after
    ]
    stable = sum(row.hectares for row in changes.transitions if row.before == row.after)
    intro = (
        f"Before: {changes.before}; after: {changes.after}. Where both were observed: "
        f"{hectares_text(changes.compared_hectares)}, of which {hectares_text(stable)} have the same class. "
        f"{hectares_text(changes.uncompared_hectares)} could not be compared."
    )
    gains = data_table("Gains and losses by class", ("Class", "Gain", "Loss", "Net"), classes, "gains")
    transitions = data_table("What became what", ("Before", "After", "Area"), moved, "transitions")
    return section("Changes", "changes", element("p", intro), gains, transitions)


def series_rows(series: SeriesTable) -> Html:
    """Return the numbers of a series as a table."""
    names = list(dict.fromkeys(name for point in series.points for name in point.hectares))
    rows: list[list[Cell]] = []
    for point in series.points:
        areas = [_area(point.hectares[name]) if name in point.hectares else "" for name in names]
        rows.append([point.label, _share(point.observed_share), *areas])
    return data_table("Hectares by date", ("Date", "Observed", *names), rows, "series")


def _class_table(area: ZoneTable, colors: Mapping[int, Color]) -> Html:
    whole = area.hectares or 1.0
    rows: list[list[Cell]] = [
        [
            join(swatch(colors.get(row.number, (128, 128, 128))), " ", row.name),
            (row.pixels, f"{row.pixels:,}"),
            _area(row.hectares),
            _share(row.share),
            _share(row.hectares / whole),
        ]
        for row in area.classes
    ]
    name = join(swatch(None), " not observed")
    missing: list[Cell] = [name, "", _area(area.unobserved_hectares), "", _share(area.unobserved_share)]
    columns = ("Class", "Pixels", "Area", "Share of the observed area", "Share of the whole area")
    return data_table("Hectares by class in the whole area", columns, rows, "classes", missing)


def _zone_table(table: AreaTable) -> Html:
    classes = [row.name for row in table.area.classes]
    columns = ["Zone", "Observed", "Not observed", "Not observed, share", *(classes or ["Mean"])]
    rows = [_zone_row(zone, table.area) for zone in table.zones]
    total = _zone_row(table.area, table.area)
    caption = "Hectares by zone" if rows else "Hectares of the whole area"
    return data_table(caption, columns, rows or [total], "zones", total if rows else None)


def _zone_row(zone: ZoneTable, area: ZoneTable) -> list[Cell]:
    areas = _area(zone.observed_hectares), _area(zone.unobserved_hectares)
    cells: list[Cell] = [zone.name, *areas, _share(zone.unobserved_share)]
    if not area.classes:
        return [*cells, "none" if zone.mean is None else (zone.mean, f"{zone.mean:.4g}")]
    own = {row.number: row for row in zone.classes}
    for column in area.classes:
        row = own.get(column.number)
        hectares, share = (row.hectares, row.share) if row else (0.0, 0.0)
        cells.append((hectares, f"{hectares_text(hectares)} ({percent_text(share)})"))
    return cells


def _area(hectares: float) -> Cell:
    return hectares, hectares_text(hectares)


def _share(share: float) -> Cell:
    return share, percent_text(share)


def _row(row: Sequence[Cell]) -> Html:
    return element("tr", *(_cell(cell, index == 0) for index, cell in enumerate(row)))


def _cell(cell: Cell, is_first: bool) -> Html:
    if isinstance(cell, tuple):
        value, text = cell
        return element("td", text, class_="number", data_value=repr(float(value)))
    return element("th", cell, scope="row") if is_first else element("td", cell)
