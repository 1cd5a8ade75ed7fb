"""Areas of zones as CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from instageo.files import write_text
from instageo.raster.area_products.zone_areas import ZoneArea, ZoneAreas

CLASS_COLUMNS = ("zone", "class", "name", "pixels", "hectares", "share_of_observed")
VALUE_COLUMNS = ("zone", "pixels", "hectares", "mean", "sum")


def write_zone_areas(areas: ZoneAreas, folder: Path) -> list[Path]:
    """Write areas as `areas.csv`, one row per zone and class, and as `areas.json`; return both paths.

    For regression the table has one row per zone, with the mean and the sum.

    Raises:
        WriteError: The disk refuses a file.
    """
    if areas.has_classes:
        rows = [
            (zone.zone, each.number, each.name, each.pixels, each.hectares, each.share_of_observed)
            for zone in areas.zones
            for each in zone.classes
        ]
        table = format_csv(CLASS_COLUMNS, rows)
    else:
        table = format_csv(
            VALUE_COLUMNS,
            [(zone.zone, zone.observed_pixels, zone.observed_hectares, zone.mean, zone.sum) for zone in areas.zones],
        )
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
    """Return a table as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def format_json(record: object) -> str:
    """Return a record as indented JSON with its letters as they are."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


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
