"""Checks of grids, dates and places."""

from collections import Counter

import numpy as np

from instageo.data.chip_facts.facts import ChipFacts
from instageo.data.cleaning.finding import DROP, CheckResult, Finding, MeasuredTable
from instageo.geodesy.circles import great_circle_km


def check_grid(table: MeasuredTable) -> CheckResult:
    """Find labels on another grid, chips without coordinates or dates among others that have them, and odd layers."""
    findings = [
        Finding(chip, chip.label.mismatch, 2.0)
        for chip in table.chips
        if chip.label is not None and chip.label.mismatch
    ]
    remarks: list[str] = []
    for part in (_coordinates(table), _dates(table), _layers(table)):
        findings += part.findings
        remarks += part.remarks
    first: dict[int, Finding] = {}
    for finding in findings:
        first.setdefault(finding.chip.row.number, finding)
    return CheckResult(list(first.values()), remarks)


def check_mislocated(table: MeasuredTable) -> CheckResult:
    """Find chips whose centre is farther from lat, lon than half their diagonal, and places that no command reads."""
    findings = [Finding(chip, chip.row.problem, 1e6, DROP) for chip in table.chips if chip.row.problem]
    georeferenced = [(table.chips[position], part) for position, part in table.footprints.items()]
    compared = [(chip, part, chip.row.lat_lon) for chip, part in georeferenced if chip.row.lat_lon is not None]
    for chip, footprint, (latitude, longitude) in compared:
        distance = float(great_circle_km(np.array([[longitude, latitude]]), footprint.center)[0])
        if distance > footprint.half_diagonal_km:
            half = f"half the diagonal is {footprint.half_diagonal_km:.1f} km"
            findings.append(Finding(chip, f"lat, lon lie {distance:.1f} km from the centre, {half}", distance))
    if compared or findings:
        return CheckResult(findings)
    return CheckResult(
        remarks=["mislocated: not checked, because no row has both lat, lon and a file with coordinates"]
    )


def _coordinates(table: MeasuredTable) -> CheckResult:
    without = [chip for chip, image in table.images if image.grid.crs is None and image.grid.control_points is None]
    if len(without) == len(table.images):
        return CheckResult(remarks=["grid: coordinates not checked, because no chip has any"] if without else [])
    return CheckResult([Finding(chip, "has no coordinate reference system", 1.0) for chip in without])


def _dates(table: MeasuredTable) -> CheckResult:
    if not any(chip.row.dates_text for chip in table.chips):
        return CheckResult(remarks=["grid: dates not checked, because the table has none"])
    usual = Counter(chip.image.steps for chip in table.chips if chip.image is not None).most_common(1)
    steps = table.layout.steps or (usual[0][0] if usual else 1)
    findings = [Finding(chip, text, 1.0) for chip in table.chips if (text := _wrong_dates(chip, steps))]
    return CheckResult(findings)


def _wrong_dates(chip: ChipFacts, steps: int) -> str:
    """Return what is wrong with the dates of a chip; empty if nothing is."""
    dates = chip.row.dates
    if dates is None:
        return f"dates={chip.row.dates_text[:40]} are no ISO dates"
    if len(dates) != steps:
        return f"has {len(dates)} of {steps} dates"
    if list(dates) != sorted(set(dates)):
        return "dates do not rise: " + ", ".join(map(str, dates))
    return ""


def _layers(table: MeasuredTable) -> CheckResult:
    """Find chips that have another number of layers than most."""
    numbers = Counter(image.means.size for _, image in table.images)
    if len(numbers) < 2:
        return CheckResult()
    [(usual, _)] = numbers.most_common(1)
    return CheckResult(
        [
            Finding(chip, f"has {image.means.size} layers, most chips have {usual}", 1.0)
            for chip, image in table.images
            if image.means.size != usual
        ]
    )
