"""Checks of chips against the rest of their table: classes, outliers."""

from collections import defaultdict

import numpy as np

from instageo.data.chip_facts.facts import ChipFacts, ImageFacts
from instageo.data.chip_facts.label import add_counts, class_text
from instageo.data.cleaning.finding import DROP, CheckResult, Finding, MeasuredTable

MIN_CHIPS = 10
"""Chips from which on the spread of a table is known well enough to find outliers."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


def check_classes(table: MeasuredTable) -> CheckResult:
    """Find classes in few chips, and labels that are no class."""
    labels = [(chip, chip.label) for chip in table.chips if chip.label is not None and chip.label.counts is not None]
    enough = len(labels) >= table.settings.min_class_chips
    _, chips_of = add_counts([label for _, label in labels])
    findings, num_classes = [], table.settings.classes
    for chip, label in labels:
        counts = label.counts or {}
        numbers = [value for value in counts if isinstance(value, float)]
        unknown = [value for value in numbers if num_classes is not None and not 0 <= value < num_classes]
        rare = [value for value in counts if chips_of[value] < table.settings.min_class_chips]
        if unknown:
            values = ", ".join(f"{value:g}" for value in unknown[:5])
            findings.append(Finding(chip, f"labels {values} are not among 0 to {(num_classes or 0) - 1}", 2.0, DROP))
        elif rare and enough:
            value = min(rare, key=lambda value: (chips_of[value], class_text(value)))
            text = f"class {class_text(value)} is in {chips_of[value]} of {len(labels)} chips"
            findings.append(Finding(chip, text, 1 / chips_of[value]))
    with_labels = [chip for chip in table.chips if chip.label is not None]
    remarks = []
    if with_labels and not labels:
        remarks.append("classes: not checked, because labels are values rather than classes")
    elif labels and not enough:
        least = table.settings.min_class_chips
        remarks.append(f"classes: rare classes not reported, because fewer than {least} chips have class labels")
    return CheckResult(findings, remarks)


def check_outlier(table: MeasuredTable) -> CheckResult:
    """Find chips in which the mean of a band is far from that of the table, in median absolute deviations."""
    by_size: dict[tuple[int, ...], list[tuple[ChipFacts, ImageFacts]]] = defaultdict(list)
    for chip, image in table.images:
        by_size[image.means.shape].append((chip, image))
    findings: list[Finding] = []
    for group in by_size.values():
        if len(group) >= MIN_CHIPS:
            findings += _outliers(group, table.settings.max_deviations)
    if any(len(group) >= MIN_CHIPS for group in by_size.values()):
        return CheckResult(findings)
    return CheckResult(remarks=[f"outlier: not checked, because it needs at least {MIN_CHIPS} chips"])


def _outliers(group: list[tuple[ChipFacts, ImageFacts]], limit: float) -> list[Finding]:
    means = np.stack([image.means for _, image in group])
    finite = np.isfinite(means)
    means = np.where(finite, means, np.nan)
    usable = finite.sum(axis=0) >= MIN_CHIPS
    if not usable.any():
        return []
    centre, spread = np.zeros(means.shape[1:]), np.zeros(means.shape[1:])
    centre[usable] = np.nanmedian(means[:, usable], axis=0)
    spread[usable] = MAD_TO_DEVIATION * np.nanmedian(np.abs(means[:, usable] - centre[usable]), axis=0)
    deviations = np.divide(np.abs(means - centre), spread, where=(spread > 0) & finite, out=np.zeros_like(means))
    findings = []
    for (chip, image), own in zip(group, deviations, strict=True):
        step, band = np.unravel_index(int(own.argmax()), own.shape)
        if own[step, band] > limit:
            name = image.bands[band] or f"band {band + 1}"
            date = f" of date {step + 1}" if image.steps > 1 else ""
            value = f"mean of {name}{date} is {image.means[step, band]:.5g}, {own[step, band]:.3g} deviations away"
            findings.append(Finding(chip, value, float(own[step, band])))
    return findings
