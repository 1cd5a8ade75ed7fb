"""Tables of points: read, checked in full, and turned into observations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from instageo.data.observations.columns import Columns, find_columns
from instageo.data.observations.label_values import parse_labels
from instageo.data.observations.numbers import detect_decimal, parse_number
from instageo.data.observations.observation import Observation
from instageo.data.observations.problems import Problems
from instageo.data.observations.table_rows import TableRows, read_rows
from instageo.data.observations.times import TimeParser
from instageo.data.output.skipped import Reason, Skipped
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from instageo.table import cell_text

LonLat = tuple[float, float]


@dataclass(frozen=True)
class TableFormat:
    """How a table is written.

    Attributes:
        crs: Coordinate reference system of the columns x and y.
        date_format: Format of dates as of `strptime`, or `spreadsheet` for day numbers; None for ISO dates.
        decimal: Decimal separator, `.` or `,`; `auto` to detect it.
        label_type: `class`, `value`, `text`, or `auto`: classes if all labels are whole numbers.
        class_map: Class of each label that the table writes otherwise.
    """

    crs: str = WGS84
    date_format: str | None = None
    decimal: str = "auto"
    label_type: str = "auto"
    class_map: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PointTable:
    """A table of points without problems.

    Attributes:
        observations: In the order of the table.
        skipped: Rows that repeat place, time and label of an earlier one.
        repeated: These rows.
        notes: What was detected, for the user.
        classes: Whether labels are classes; otherwise they are values or texts.
        has_labels: Whether the table has labels.
        content: The bytes of the file.
    """

    observations: tuple[Observation, ...]
    skipped: tuple[Skipped, ...]
    repeated: tuple[Observation, ...]
    notes: tuple[str, ...]
    classes: bool
    has_labels: bool
    content: bytes = field(repr=False)


def read_points(path: str | Path, layout: TableFormat | None = None) -> PointTable:
    """Read a table of points.

    Args:
        path: A CSV, JSON or Parquet file with lat and lon (or x and y), date and, optionally, label; local or a URL.
        layout: How it is written.

    Raises:
        TableError: It is unreadable, lacks a column, or rows have problems, all of which are listed.
        RasterError: The reference system is unknown.
        MissingExtraError: A package is not installed.
    """
    layout = layout or TableFormat()
    crs_wkt(layout.crs)
    table = read_rows(path)
    columns = find_columns(table.table, table.columns, (("lat", "lon", "date"), ("y", "x", "date")))
    notes, problems = [*table.notes, *_column_notes(table.table, columns, layout)], Problems(table.table)
    decimal = layout.decimal if layout.decimal != "auto" else _detect_decimal(table, columns, layout, notes)
    lonlats = read_places(table, columns, layout.crs, decimal, problems)
    times = read_times(table, columns, layout.date_format, problems, notes)
    cells = [(number, row.get(columns["label"])) for number, row in table.rows] if "label" in columns else []
    labels, classes = parse_labels(cells, layout.label_type, decimal, layout.class_map, problems)
    problems.check()
    if cells:
        notes.append(_describe_labels(table.table, labels, classes))
    observations = [
        Observation(
            number, *lonlat, when, label, cell_text(row.get(columns["label"])) if cells else "",
            {name: cell_text(row.get(name)) for name in columns.others},
        )
        for (number, row), lonlat, when, label in zip(
            table.rows, lonlats, times, labels or [None] * len(times), strict=True
        )
        if lonlat is not None and when is not None
    ]  # fmt: skip
    unique, skipped = _drop_duplicates(observations)
    numbers = {row.number for row in skipped}
    repeated = tuple(observation for observation in observations if observation.number in numbers)
    return PointTable(tuple(unique), tuple(skipped), repeated, tuple(notes), classes, bool(cells), table.content)


def read_places(table: TableRows, columns: Columns, crs: str, decimal: str, problems: Problems) -> list[LonLat | None]:
    """Return longitude and latitude of each row, degrees; None for rows with a problem."""
    is_lonlat = "lat" in columns
    kinds = ("lon", "lat") if is_lonlat else ("x", "y")
    raw: list[LonLat | None] = []
    for number, row in table.rows:
        pair = [_coordinate(row, columns[kind], number, decimal, problems) for kind in kinds]
        raw.append(None if pair[0] is None or pair[1] is None else (pair[0], pair[1]))
    given = [pair for pair in raw if pair is not None]
    if not is_lonlat and crs_wkt(crs) != crs_wkt(WGS84):
        placed = iter(zip(*transform_coordinates(crs, WGS84, *zip(*given, strict=True)), strict=True) if given else ())
        raw = [None if pair is None else next(placed) for pair in raw]
    names = [columns[kind] for kind in kinds]
    return [
        None if pair is None else _check_place(number, pair, names, crs if not is_lonlat else WGS84, problems)
        for (number, _), pair in zip(table.rows, raw, strict=True)
    ]


def read_times(
    table: TableRows, columns: Columns, date_format: str | None, problems: Problems, notes: list[str]
) -> list[datetime | None]:
    """Return the time of each row, UTC; None for rows with a problem."""
    parser, times = TimeParser(date_format), list[datetime | None]()
    for number, row in table.rows:
        try:
            times.append(parser.parse(row.get(columns["date"])))
        except ValueError as error:
            times.append(None)
            problems.add(number, f"{columns['date']} {error}")
    notes += [f"{table.table}: {note}" for note in parser.notes()]
    return times


def _coordinate(row: Mapping[str, object], column: str, number: int, decimal: str, problems: Problems) -> float | None:
    try:
        return parse_number(row.get(column), decimal)
    except ValueError as error:
        problems.add(number, f"{column} {error}")
        return None


def _check_place(number: int, pair: LonLat, names: Sequence[str], crs: str, problems: Problems) -> LonLat | None:
    """Return longitude and latitude, the former within ±180, or None for a place that is not on Earth."""
    longitude, latitude = pair
    if abs(latitude) <= 90 and -180 <= longitude <= 360:
        return (longitude - 360 if longitude > 180 else longitude), latitude
    if crs_wkt(crs) != crs_wkt(WGS84):
        problems.add(number, f"{names[0]} and {names[1]} are no place in {crs}; check --crs")
    elif abs(latitude) > 90 and abs(longitude) <= 90 and abs(latitude) <= 180:
        problems.add(number, f"{names[1]}={latitude:g} is beyond ±90; lat and lon look exchanged")
    else:
        advice = "; metres need --crs and columns x and y" if max(abs(latitude), abs(longitude)) > 360 else ""
        problems.add(
            number,
            f"{names[1]}={latitude:.10g} {names[0]}={longitude:.10g}; expected degrees (-90..90, -180..180){advice}",
        )
    return None


def _column_notes(table: str, columns: Columns, layout: TableFormat) -> list[str]:
    notes = []
    if "lat" in columns and {"x", "y"} <= {name.lower() for name in columns.others}:
        notes.append(f"{table}: lat and lon are used, x and y are not")
    if "lat" in columns and crs_wkt(layout.crs) != crs_wkt(WGS84):
        notes.append(f"{table}: lat and lon are degrees (WGS 84); crs={layout.crs} is not used")
    return notes


def _detect_decimal(table: TableRows, columns: Columns, layout: TableFormat, notes: list[str]) -> str:
    kinds = ("lat", "lon") if "lat" in columns else ("y", "x")
    cells = (row.get(columns[kind]) for _, row in table.rows for kind in kinds)
    is_degrees = "lat" in columns or crs_wkt(layout.crs) == crs_wkt(WGS84)
    decimal = detect_decimal(table.table, cells, is_degrees=is_degrees)
    if decimal == ",":
        notes.append(f"{table.table}: commas separate decimals")
    return decimal


def _describe_labels(table: str, labels: Sequence[float | None], classes: bool) -> str:
    numbers = [label for label in labels if label is not None]
    if not numbers:
        return f"{table}: labels are texts"
    return f"{table}: labels are {'classes' if classes else 'values'} from {min(numbers):g} to {max(numbers):g}"


def _drop_duplicates(observations: Sequence[Observation]) -> tuple[list[Observation], list[Skipped]]:
    """Return the observations without those that repeat place, time and label of an earlier one, and these."""
    unique: dict[tuple[object, ...], Observation] = {}
    skipped = []
    for observation in observations:
        label = observation.text if observation.label is None else observation.label
        key = observation.longitude, observation.latitude, observation.time, label
        first = unique.setdefault(key, observation)
        if first is not observation:
            detail = f"same place, time and label as row {first.number}"
            skipped.append(Skipped(observation.number, Reason.DUPLICATE, detail))
    return list(unique.values()), skipped
