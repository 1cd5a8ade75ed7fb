"""The checks by name, and their findings on a table."""

from collections.abc import Mapping
from dataclasses import dataclass

from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.data.cleaning.duplicate_checks import check_duplicate, check_near_duplicate
from instageo.data.cleaning.finding import DROP, GROUP, WARN, Check, Finding, MeasuredTable, Shared
from instageo.data.cleaning.georeference_checks import check_grid, check_mislocated
from instageo.data.cleaning.overlap_check import check_overlap
from instageo.data.cleaning.pixel_checks import (
    check_cloud,
    check_constant,
    check_labelled,
    check_nodata,
    check_range,
    check_readable,
    check_saturated,
    check_stripes,
)
from instageo.data.cleaning.registration_check import check_registration
from instageo.data.cleaning.table_checks import check_classes, check_outlier
from instageo.errors import ConfigError, did_you_mean

CHECKS: Mapping[str, tuple[Check, str]] = {
    "readable": (check_readable, DROP),
    "nodata": (check_nodata, WARN),
    "cloud": (check_cloud, WARN),
    "labelled": (check_labelled, DROP),
    "constant": (check_constant, DROP),
    "range": (check_range, WARN),
    "saturated": (check_saturated, WARN),
    "stripes": (check_stripes, WARN),
    "duplicate": (check_duplicate, DROP),
    "near_duplicate": (check_near_duplicate, WARN),
    "overlap": (check_overlap, GROUP),
    "registration": (check_registration, WARN),
    "grid": (check_grid, DROP),
    "classes": (check_classes, WARN),
    "outlier": (check_outlier, WARN),
    "mislocated": (check_mislocated, WARN),
}
"""Each check with its verdict, which a finding or the option `verdicts` may replace; `readable` comes before the
fifteen checks of readable chips."""


@dataclass(frozen=True)
class Judged:
    """A finding with the name of its check and its verdict."""

    check: str
    finding: Finding
    verdict: str


@dataclass(frozen=True)
class TableFindings:
    """The findings of all checks.

    Attributes:
        findings: In the order of the table, and of the checks.
        remarks: What could not be checked, and what concerns the whole table.
        together: Pairs of chips that belong together.
        apart: Pairs that share less ground.
    """

    findings: tuple[Judged, ...]
    remarks: tuple[str, ...]
    together: tuple[Shared, ...]
    apart: tuple[Shared, ...]

    @property
    def dropped(self) -> frozenset[int]:
        """Numbers of the rows that a check drops."""
        return frozenset(entry.finding.chip.row.number for entry in self.findings if entry.verdict == DROP)


def run_checks(table: MeasuredTable) -> TableFindings:
    """Run all checks that are not switched off."""
    verdicts = table.settings.verdicts
    findings: list[Judged] = []
    remarks: list[str] = []
    together: list[Shared] = []
    apart: list[Shared] = []
    for name, (check, default) in CHECKS.items():
        if verdicts.get(name) == "off":
            continue
        result = check(table)
        findings += [
            Judged(name, finding, verdicts.get(name) or finding.verdict or default) for finding in result.findings
        ]
        remarks += result.remarks
        together += result.together
        apart += result.apart
    findings.sort(key=lambda entry: entry.finding.chip.row.number)
    return TableFindings(tuple(findings), tuple(dict.fromkeys(remarks)), tuple(together), tuple(apart))


def check_names(settings: CleanSettings) -> None:
    """Raise unless the verdicts are those of known checks.

    Raises:
        ConfigError: A check does not exist.
    """
    for name in settings.verdicts:
        if name not in CHECKS:
            raise ConfigError(
                f"verdicts: unknown check {name}; the checks are {', '.join(CHECKS)}{did_you_mean(name, CHECKS)}"
            )
