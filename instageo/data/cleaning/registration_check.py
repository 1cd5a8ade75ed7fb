"""Check whether the dates of a chip, and its label, lie on one another."""

from instageo.data.cleaning.finding import CheckResult, Finding, MeasuredTable


def check_registration(table: MeasuredTable) -> CheckResult:
    """Find chips of which one date, or the label, is shifted against the image."""
    findings, compared = [], 0
    for chip, image in table.images:
        shifts = [*image.shifts, *([chip.label.shift] if chip.label is not None and chip.label.shift else [])]
        compared += bool(shifts)
        worst = max(shifts, key=lambda shift: shift.pixels, default=None)
        if worst is not None and worst.pixels > table.settings.max_shift:
            value = f"{worst.of} is shifted by {worst.rows:.1f} rows and {worst.columns:.1f} columns"
            findings.append(Finding(chip, value, worst.pixels))
    if compared or findings:
        return CheckResult(findings)
    return CheckResult(
        remarks=["registration: dates not compared, because no chip has two dates that are similar enough"]
    )
