"""What checks return, and what they are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from instageo.data.chip_facts.facts import ChipFacts, ImageFacts
from instageo.data.chip_facts.layout import ChipLayout
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.raster.footprints import Footprint, find_footprints
from instageo.raster.grid import Raster

WARN, DROP, GROUP = "warn", "drop", "group"


@dataclass(frozen=True)
class Finding:
    """What a check found in a chip.

    Attributes:
        chip: The chip.
        value: What was found, as one short sentence.
        severity: How bad it is, to order the findings of one check.
        verdict: `warn`, `drop` or `group`; None for the default of the check.
    """

    chip: ChipFacts
    value: str
    severity: float = 0.0
    verdict: str | None = None


@dataclass(frozen=True)
class Shared:
    """Two chips that show the same ground, or the same image.

    Attributes:
        first: Position of one chip in the table, from 0.
        second: Position of the other.
        share: Overlap as a share of the smaller chip, 0 to 1.
        offset: Rows and columns by which the second chip lies further down and right; None if it is unknown.
    """

    first: int
    second: int
    share: float
    offset: tuple[int, int] | None = None


@dataclass(frozen=True)
class CheckResult:
    """What a check returns.

    Attributes:
        findings: What it found.
        remarks: Sentences on what it could not check, and on the whole table.
        together: Pairs of chips that must not be parted between training and evaluation.
        apart: Further pairs that share ground, but less than the threshold.
    """

    findings: Sequence[Finding] = ()
    remarks: Sequence[str] = ()
    together: Sequence[Shared] = ()
    apart: Sequence[Shared] = ()


@dataclass(frozen=True)
class MeasuredTable:
    """All that checks know.

    Attributes:
        chips: Facts of each row, in the order of the table.
        settings: Thresholds.
        layout: How chips are read.
        read: Reads the layers of a chip again, by its position; None if it cannot be read.
    """

    chips: Sequence[ChipFacts]
    settings: CleanSettings
    layout: ChipLayout
    read: Callable[[int], Raster | None] = lambda _: None
    _images: list[tuple[ChipFacts, ImageFacts]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._images.extend((chip, chip.image) for chip in self.chips if chip.image is not None)

    @cached_property
    def footprints(self) -> Mapping[int, Footprint]:
        """Footprints of the chips that have coordinates, by position in the table."""
        grids = [(position, chip.image.grid) for position, chip in enumerate(self.chips) if chip.image is not None]
        footprints = find_footprints([grid for _, grid in grids])
        return {position: part for (position, _), part in zip(grids, footprints, strict=True) if part is not None}

    @property
    def images(self) -> Sequence[tuple[ChipFacts, ImageFacts]]:
        """Chips whose image could be read, with its facts."""
        return self._images


Check = Callable[[MeasuredTable], CheckResult]
"""A check: what it finds depends on what was measured, and on nothing else."""
