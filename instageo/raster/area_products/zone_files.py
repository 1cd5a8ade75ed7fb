"""Areas of zones as CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from instageo.files import write_text
from instageo.raster.area_products.zone_areas import ZoneArea, ZoneAreas
from instageo.wording import harmless_cell

SHARES = ("observed_share", "unobserved_share")
"""Columns of the parts of a zone that were observed, and were not."""

CLASS_COLUMNS = ("zone", "class", "name", "pixels", "hectares", "share_of_observed", *SHARES)
VALUE_COLUMNS = ("zone", "pixels", "hectares", "mean", "sum", *SHARES)


def write_zone_areas(areas: ZoneAreas, folder: Path) -> list[Path]:
    """Write areas as `areas.csv`, one row per zone and class, and as `areas.json`; return both paths.

    For regression the table has one row per zone, with the mean and the sum.

    Raises:
        WriteError: The disk refuses a file.
    """
    columns = CLASS_COLUMNS if areas.has_classes else VALUE_COLUMNS
    table = format_csv(columns, [row for zone in areas.zones for row in zone_rows(zone, has_classes=areas.has_classes)])
    record = {
        "maps": list(areas.maps),
        "method": areas.method,
        "zones": [_zone_record(zone, areas.has_classes) for zone in areas.zones],
    }
    paths = [folder / "areas.csv", folder / "areas.json"]
    write_text(paths[0], table)
    write_text(paths[1], format_json(record))
    return paths


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; None is an empty cell, and no spreadsheet takes a text for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([harmless_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def format_json(record: object) -> str:
    """Return a record as indented JSON with its letters as they are."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def zone_rows(zone: ZoneArea, *, has_classes: bool) -> list[tuple[object, ...]]:
    """Return the rows of a zone: one for each class with the columns `CLASS_COLUMNS`, or one of `VALUE_COLUMNS`."""
    shares = zone.observed_share, zone.unobserved_share
    if not has_classes:
        return [(zone.zone, zone.observed_pixels, zone.observed_hectares, zone.mean, zone.sum, *shares)]
    return [
        (zone.zone, each.number, each.name, each.pixels, each.hectares, each.share_of_observed, *shares)
        for each in zone.classes
    ]


def _zone_record(zone: ZoneArea, has_classes: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "zone": zone.zone,
        "zone_hectares": zone.zone_hectares,
        "observed_hectares": zone.observed_hectares,
        "unobserved_hectares": zone.unobserved_hectares,
        "observed_share": zone.observed_share,
        "unobserved_share": zone.unobserved_share,
        "observed_pixels": zone.observed_pixels,
    }
    if not has_classes:
        return record | {"mean": zone.mean, "sum": zone.sum}
    classes = [
        {
            "class": each.number,
            "name": each.name,
            "pixels": each.pixels,
            "hectares": each.hectares,
            "share_of_observed": each.share_of_observed,
        }
        for each in zone.classes
    ]
    return record | {"classes": classes}
