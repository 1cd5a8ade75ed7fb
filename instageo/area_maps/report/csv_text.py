"""Hectares as CSV inside a page."""

import base64
import csv
import io

from instageo.area_maps.area_table import AreaTable
from instageo.wording import harmless_cell

COLUMNS = ("zone", "class", "name", "pixels", "hectares", "share_of_observed", "zone_observed_hectares",
           "zone_unobserved_hectares")  # fmt: skip


def table_csv(table: AreaTable) -> str:
    """Return one row for each zone and class, the whole area first; for regression one for each zone with its mean."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    is_classes = bool(table.area.classes)
    writer.writerow(COLUMNS if is_classes else ("zone", "mean", *COLUMNS[-2:]))
    for zone in (table.area, *table.zones):
        areas = (f"{zone.observed_hectares:.4f}", f"{zone.unobserved_hectares:.4f}")
        if not is_classes:
            writer.writerow((harmless_cell(zone.name), "" if zone.mean is None else f"{zone.mean:.6g}", *areas))
        for row in zone.classes:
            numbers = (row.pixels, f"{row.hectares:.4f}", f"{row.share:.6f}")
            writer.writerow((harmless_cell(zone.name), row.number, harmless_cell(row.name), *numbers, *areas))
    return stream.getvalue()


def data_url(content: bytes, media_type: str) -> str:
    """Return bytes as a URL that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
