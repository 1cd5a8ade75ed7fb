"""Checks of the pixels of single chips."""

import numpy as np

from instageo.data.chip_facts.facts import ImageFacts
from instageo.data.cleaning.finding import DROP, CheckResult, Finding, MeasuredTable
from instageo.table import cell_text

MAX_FRACTION = 2.0
"""Values of chips that hold reflectance as 0 to 1 do not exceed this."""

DARK_SHARE = 0.05
"""Share of BLUE that is dark in chips without an offset."""


def check_readable(table: MeasuredTable) -> CheckResult:
    """Find files that cannot be read, or whose layers cannot be divided into dates and bands."""
    ignored = dict.fromkeys(name for _, image in table.images for name in image.ignored_layers)
    remark = f"layers that are not bands of a sensor are not checked: {', '.join(ignored)}; --layers chooses others"
    findings = [Finding(chip, chip.problems[0], 1.0) for chip in table.chips if chip.problems]
    return CheckResult(findings, [remark] if ignored else [])


def check_nodata(table: MeasuredTable) -> CheckResult:
    """Find dates without observations, and chips that have few."""
    findings = []
    for chip, image in table.images:
        empty = [number for number, share in enumerate(image.invalid, start=1) if share == 1]
        if image.never == 1:
            findings.append(Finding(chip, "no pixel is observed", 2.0, DROP))
        elif empty:
            dates = ", ".join(map(str, empty))
            findings.append(Finding(chip, f"no pixel is observed at date {dates} of {image.steps}", 1.0))
        elif max(image.invalid) > table.settings.max_no_data:
            worst = int(np.argmax(image.invalid))
            date = f" at date {worst + 1}" if image.steps > 1 else ""
            findings.append(Finding(chip, f"{image.invalid[worst]:.1%} of the pixels are no-data{date}",
                                    image.invalid[worst]))  # fmt: skip
    return CheckResult(findings)


def check_cloud(table: MeasuredTable) -> CheckResult:
    """Find chips with few clear pixels, by quality layers or by the columns `clear_1`, `clear_2`, …."""
    findings, num_compared = [], 0
    for chip in table.chips:
        shares = _clear_columns(chip.row.record)
        if chip.image is not None and chip.image.covered:
            shares = [1 - share for share in chip.image.covered]
        num_compared += bool(shares)
        if shares and min(shares) < table.settings.min_clear:
            worst = int(np.argmin(shares))
            date = f" at date {worst + 1}" if len(shares) > 1 else ""
            findings.append(Finding(chip, f"{shares[worst]:.1%} of the pixels are clear{date}", 1 - shares[worst]))
    if num_compared:
        return CheckResult(findings)
    return CheckResult(
        remarks=["cloud: not checked, because the table has no columns clear_1, … and --quality names no layers"]
    )


def check_labelled(table: MeasuredTable) -> CheckResult:
    """Find chips without a labelled pixel that is observed at some date."""
    labels = [(chip, chip.label) for chip in table.chips if chip.label is not None]
    if not labels:
        return CheckResult(remarks=["labelled, classes: not checked, because the table has no labels"])
    findings = [
        Finding(chip, "no observed pixel has a label", 1.0)
        for chip, label in labels
        if chip.image is not None and label.labelled == 0 and not label.mismatch and chip.image.never < 1
    ]
    missing = [
        Finding(chip, "the row has no label", 1.0)
        for chip in table.chips
        if chip.row.label is None and chip.image is not None
    ]
    return CheckResult(findings + missing)


def check_constant(table: MeasuredTable) -> CheckResult:
    """Find bands with one value in all valid pixels of a date."""
    findings = []
    for chip, image in table.images:
        constant = np.argwhere((image.lows == image.highs) & np.isfinite(image.lows))
        if len(constant) and image.grid.height * image.grid.width > 1:
            step, band = constant[0]
            more = f", and {len(constant) - 1} more" if len(constant) > 1 else ""
            value = f"{_band(image, int(step), int(band))} is {image.lows[step, band]:g} everywhere{more}"
            findings.append(Finding(chip, value, float(len(constant))))
    return CheckResult(findings)


def check_range(table: MeasuredTable) -> CheckResult:
    """Find implausible reflectance, reflectance as 0 to 1, and Sentinel-2's offset of 1000 left in place."""
    if table.layout.unit != "reflectance":
        return CheckResult(remarks=[f"range: not checked, because the unit of the pixels is {table.layout.unit}"])
    findings = []
    fractions = [chip for chip, image in table.images if _is_fraction(image)]
    is_fraction_table = len(fractions) > len(table.images) / 2
    low, high = table.settings.value_range
    for chip, image in table.images:
        if _is_fraction(image):
            if not is_fraction_table:
                findings.append(Finding(chip, "looks like reflectance from 0 to 1, others are x 10000", 3.0))
        elif is_fraction_table:
            findings.append(Finding(chip, "looks like reflectance x 10000, others are from 0 to 1", 3.0))
        elif image.outside > table.settings.max_outside:
            findings.append(
                Finding(chip, f"{image.outside:.1%} of a band is outside {low:g} to {high:g}", image.outside)
            )
        elif image.dark_blue is not None and image.dark_blue < DARK_SHARE:
            findings.append(Finding(chip, "no dark pixel in BLUE: bright, or the offset of 1000 was not removed", 0.5))
    remark = "range: only mixed scales (0 to 1 and x 10000) checked, because most chips hold reflectance from 0 to 1"
    return CheckResult(findings, [remark] if is_fraction_table else [])


def check_saturated(table: MeasuredTable) -> CheckResult:
    """Find chips with many saturated pixels."""
    return CheckResult(
        [
            Finding(chip, f"{image.saturated:.1%} of the pixels are saturated", image.saturated)
            for chip, image in table.images
            if image.saturated > table.settings.max_saturated
        ]
    )


def check_stripes(table: MeasuredTable) -> CheckResult:
    """Find lines of zeros at the border of the valid pixels, and lines that are repeated."""
    return CheckResult([Finding(chip, image.stripes, 1.0) for chip, image in table.images if image.stripes])


def _is_fraction(image: ImageFacts) -> bool:
    highest = np.nanmax(image.highs, initial=-np.inf)
    return bool(image.dtype.startswith("float") and np.isfinite(highest) and highest <= MAX_FRACTION)


def _band(image: ImageFacts, step: int, band: int) -> str:
    name = image.bands[band] or f"band {band + 1}"
    return f"{name} of date {step + 1}" if image.steps > 1 else name


def _clear_columns(record: object) -> list[float]:
    """Return the values of the columns `clear_1`, …; none if one of them is empty or no number."""
    shares: list[float] = []
    columns = record if isinstance(record, dict) else {}
    while f"clear_{len(shares) + 1}" in columns:
        try:
            shares.append(float(cell_text(columns[f"clear_{len(shares) + 1}"])))
        except ValueError:
            return []
    return [] if any(np.isnan(shares)) else shares
