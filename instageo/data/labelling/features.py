"""Polygons and points with a label and a date, from vector files and tables with geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from instageo.data.labelling.feature_rows import read_vector_rows
from instageo.data.observations.columns import Columns, find_columns
from instageo.data.observations.label_values import parse_labels
from instageo.data.observations.points import TableFormat
from instageo.data.observations.problems import Problems
from instageo.data.observations.times import TimeParser
from instageo.errors import ConfigError, TableError
from instageo.table import cell_text
from instageo.vectors.vector_files import VectorRows
from instageo.wording import counted

ACCEPTED = ("Polygon", "MultiPolygon", "Point", "MultiPoint")


@dataclass(frozen=True)
class Feature:
    """A labelled place.

    Attributes:
        number: Its number in the file, from 1.
        geometry: Polygons or points, of shapely, in the reference system of the file.
        day: Its date.
        label: Its class or value.
        text: Its label as the file writes it.
    """

    number: int
    geometry: Any
    day: date
    label: float
    text: str = ""


@dataclass(frozen=True)
class FeatureTable:
    """Features of a file without problems.

    Attributes:
        crs: Their reference system; longitude or easting comes first.
        features: In the order of the file.
        classes: Whether labels are classes; otherwise they are values.
        content: The bytes of the file.
        notes: What was detected, for the user.
    """

    crs: str
    features: tuple[Feature, ...]
    classes: bool
    content: bytes = field(repr=False)
    notes: tuple[str, ...] = ()


def read_features(
    path: str | Path, layout: TableFormat, *, class_field: str | None = None, day: date | None = None
) -> FeatureTable:
    """Read labelled polygons or points.

    Args:
        path: GeoJSON, GeoPackage, shapefile, or a table with a column of geometries as WKT or GeoJSON.
        layout: How labels, dates and, in tables, coordinates are written.
        class_field: Attribute with the label; by default `label` or `class`.
        day: Date of features where the file has no attribute `date`.

    Raises:
        TableError: The file is unreadable, or features have problems, all of which are listed.
        MissingExtraError: A package is not installed.
    """
    source = read_vector_rows(path, layout.crs)
    columns = find_columns(source.table, source.columns, (("date",), ()), class_field or "")
    if "label" not in columns:
        raise TableError(
            f"{source.table}: no attribute 'label' or 'class'; found {', '.join(columns.others) or 'none'}; pass "
            "--class-field NAME"
        )
    if "date" not in columns and day is None:
        raise TableError(f"{source.table}: no attribute 'date'; found {', '.join(columns.others)}; pass --date")
    problems, notes = Problems(source.table), list(source.notes)
    geometries = [_check_geometry(number, geometry, problems) for number, geometry in source.geometries]
    repaired = sum(fixed for _, fixed in geometries)
    days = _days(source, columns, day, layout.date_format, problems)
    cells = [(number, row.get(columns["label"])) for number, row in source.rows]
    decimal = "." if layout.decimal == "auto" else layout.decimal
    labels, classes = parse_labels(cells, layout.label_type, decimal, layout.class_map, problems)
    problems.check()
    if repaired:
        notes.append(f"{source.table}: {counted(repaired, 'polygon')} that crossed themselves were repaired")
    features = tuple(
        Feature(number, geometry, when, label, cell_text(value))
        for (number, value), (geometry, _), when, label in zip(cells, geometries, days, labels, strict=True)
        if when is not None and label is not None
    )
    return FeatureTable(source.crs, features, classes, source.content, tuple(notes))


def _check_geometry(number: int, geometry: Any, problems: Problems) -> tuple[Any, bool]:
    """Return a valid geometry and whether it had to be repaired."""
    if isinstance(geometry, str):
        problems.add(number, geometry)
        return None, False
    if geometry is None or geometry.is_empty:
        problems.add(number, "has no geometry")
        return None, False
    if geometry.geom_type not in ACCEPTED:
        problems.add(number, f"is a {geometry.geom_type}; expected one of {', '.join(ACCEPTED)}")
        return None, False
    if geometry.is_valid:
        return geometry, False
    import shapely

    whole = shapely.make_valid(geometry, method="structure")
    if whole.is_empty or whole.geom_type not in ACCEPTED:
        problems.add(number, "is a polygon without area")
    return whole, True


def _days(
    source: VectorRows, columns: Columns, day: date | None, date_format: str | None, problems: Problems
) -> Sequence[date | None]:
    parser, days = TimeParser(date_format), list[date | None]()
    for number, row in source.rows:
        value = row.get(columns["date"]) if "date" in columns else None
        if not cell_text(value) and day is not None:
            days.append(day)
            continue
        days.append(_day(number, value, parser, problems))
    return days


def _day(number: int, value: object, parser: TimeParser, problems: Problems) -> date | None:
    try:
        return parser.parse(value).date()
    except ValueError as error:
        problems.add(number, f"date {error}")
        return None


def parse_day(text: str | None, date_format: str | None) -> date | None:
    """Return the date of the option `date`, or None without one.

    Raises:
        ConfigError: It is not a date.
    """
    try:
        return None if text is None else TimeParser(date_format).parse(text).date()
    except ValueError as error:
        raise ConfigError(f"the option date {error}") from error


def group_by_day(features: Sequence[Feature]) -> Mapping[date, tuple[Feature, ...]]:
    """Return the features of each day, in the order of days."""
    days = sorted({feature.day for feature in features})
    return {day: tuple(feature for feature in features if feature.day == day) for day in days}
