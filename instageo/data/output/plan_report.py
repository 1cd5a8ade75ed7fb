"""What a run would make and read, before any pixel is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from instageo.data.reading.estimate import Estimate
from instageo.wording import counted


@dataclass(frozen=True)
class PlanReport:
    """What a run would make and read.

    Attributes:
        chips: Number of chips.
        observations: Number of observations.
        skipped: Observations that would be in no chip, by reason.
        tiles: Number of chips in each tile.
        images: Number of images that the chips need.
        files: Number of files that would be opened.
        reading: Requests, bytes and the share of them that no chip needs, if the first image of each date can serve;
            None if it is not known.
        output_mb: Size of the chips without compression, MB.
        notes: Remarks for the user.
    """

    chips: int
    observations: int
    skipped: Mapping[str, int]
    tiles: Mapping[str, int] = field(default_factory=dict)
    images: int = 0
    files: int = 0
    reading: Estimate | None = None
    output_mb: float = 0.0
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return lines for the terminal."""
        lost = sum(self.skipped.values())
        lines = [f"{counted(self.chips, 'chip')} of {self.observations - lost} of {self.observations} observations"]
        lines += [f"  {count} in {tile}" for tile, count in self.tiles.items()]
        lines += [f"skipped: {lost}"] if lost else []
        lines += [f"  {count} {reason}" for reason, count in self.skipped.items()]
        lines.append(f"reads {counted(self.files, 'file')} of {counted(self.images, 'image')}")
        lines += [f"  {self.reading.summary()}"] if self.reading is not None and self.files else []
        lines.append(f"writes {self.output_mb:.0f} MB before compression")
        return lines + list(self.notes)
