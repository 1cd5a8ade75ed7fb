"""Draw the pictures of a report, and write its page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instageo.data.clean_report.chip_picture import write_chip_picture
from instageo.data.clean_report.figures import draw_histograms, draw_map
from instageo.data.clean_report.page import MOST_PICTURES, PICTURES, ReportContent, worst, write_page
from instageo.data.cleaning.checks import CHECKS, TableFindings
from instageo.data.cleaning.finding import DROP, WARN, MeasuredTable


def write_report(folder: Path, table: MeasuredTable, results: TableFindings, record: Mapping[str, Any]) -> Path:
    """Write `clean_report.html` and the pictures it shows.

    Args:
        folder: Output folder.
        table: What was measured.
        results: Findings of all checks.
        record: Content of `clean.json`.
    """
    figures = []
    if draw_histograms(folder / PICTURES / "histograms.png", [image for _, image in table.images]):
        figures.append(("Values of each band", f"{PICTURES}/histograms.png"))
    if draw_map(folder / PICTURES / "map.png", _chip_centers(table), _worst_verdicts(results)):
        figures.append(("Where the chips lie", f"{PICTURES}/map.png"))
    pictures = _draw_chips(folder, table, results)
    return write_page(folder, ReportContent(record, results.findings, pictures, figures))


def _draw_chips(folder: Path, table: MeasuredTable, results: TableFindings) -> dict[int, str]:
    """Draw the worst chips of each check; return the paths of the pictures by number of the row."""
    shown = [entry.finding.chip for check in CHECKS for entry in worst(results.findings, check, MOST_PICTURES)]
    pictures: dict[int, str] = {}
    for chip in shown:
        number = chip.row.number
        if number in pictures or chip.image is None:
            continue
        raster = table.read(number - 1)
        if raster is not None:
            pictures[number] = f"{PICTURES}/chip_{number}.png"
            write_chip_picture(folder / pictures[number], raster, chip.image.bands)
    return pictures


def _chip_centers(table: MeasuredTable) -> dict[int, tuple[float, float]]:
    """Return longitude and latitude of each chip by number of its row: its centre, else lat and lon of the table."""
    centers = {chip.row.number: chip.row.lat_lon[::-1] for chip in table.chips if chip.row.lat_lon is not None}
    return centers | {table.chips[position].row.number: part.center for position, part in table.footprints.items()}


def _worst_verdicts(results: TableFindings) -> dict[int, str]:
    verdicts: dict[int, str] = {}
    for entry in results.findings:
        number = entry.finding.chip.row.number
        if entry.verdict in (DROP, WARN) and verdicts.get(number) != DROP:
            verdicts[number] = entry.verdict
    return verdicts
