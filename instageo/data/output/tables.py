"""`chips.csv`, `skipped.csv` and `report.json` of an output folder."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from instageo.data.output.skipped import Reason, Skipped
from instageo.files import write_text
from instageo.table import INPUT, write_table
from instageo.wording import counted

CHIPS, SKIPPED, REPORT = "chips.csv", "skipped.csv", "report.json"


@dataclass(frozen=True)
class ChipReport:
    """What a run has made, and what not.

    Attributes:
        folder: Output folder.
        chips: Chips in `chips.csv`.
        observations: Observations of the table, or windows with labels.
        skipped: Observations that are in no chip, by reason.
        unreadable: Observations whose files could not be read; `--resume` tries them again.
        resumed: Chips that an earlier run had finished.
        searches: Requests to the catalogue.
        items: Images that were found.
        duplicates: Records of images of which a newer processing was found.
        reads: What was read: files, requests and bytes.
        seconds: Duration.
        notes: Remarks for the user.
    """

    folder: Path
    chips: int
    observations: int
    skipped: Mapping[str, int]
    unreadable: int = 0
    resumed: int = 0
    searches: int = 0
    items: int = 0
    duplicates: int = 0
    reads: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0, or 3 if files could not be read or no chip was made."""
        return 3 if self.unreadable or not self.chips else 0

    @property
    def table(self) -> Path:
        """The table of chips."""
        return self.folder / CHIPS

    def summary(self) -> str:
        """Return one line: chips, and observations without one by reason."""
        lost = sum(self.skipped.values())
        reasons = f" ({', '.join(f'{count} {reason}' for reason, count in self.skipped.items())})" if lost else ""
        used = self.observations - lost
        return (
            f"{counted(self.chips, 'chip')} of {counted(used, 'observation')}; skipped {lost} of {self.observations}"
            f"{reasons}"
        )


def write_chip_table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `chips.csv`; columns that only some rows have are empty in the others."""
    columns = list(dict.fromkeys(column for row in rows for column in row if not column.startswith("count_")))
    counts = {column for row in rows for column in row if column.startswith("count_")}
    columns += sorted(counts, key=lambda column: (len(column), column))
    empty: dict[str, Any] = dict.fromkeys(columns, "") | dict.fromkeys(counts, 0)
    path = folder / CHIPS
    if rows:
        write_table(path, [{**empty, **row} for row in rows])
    else:
        write_text(path, f"{INPUT},Label,dates\n")


def write_skipped(folder: Path, skipped: Iterable[Skipped], described: Mapping[int, Mapping[str, Any]]) -> None:
    """Write `skipped.csv` in the order of the input.

    Args:
        folder: Output folder.
        skipped: Observations that are in no chip.
        described: Further columns of each observation by its number, such as place, date and label.
    """
    rows = [
        {"observation": row.number, **described.get(row.number, {}), "reason": row.reason.value, "detail": row.detail}
        for row in sorted(skipped, key=lambda row: row.number)
    ]
    if rows:
        write_table(folder / SKIPPED, rows)
    else:
        write_text(folder / SKIPPED, "observation,reason,detail\n")


def count_reasons(skipped: Iterable[Skipped]) -> dict[str, int]:
    """Return the number of observations by reason, in the order of the reasons."""
    counts = Counter(row.reason for row in skipped)
    return {reason.value: counts[reason] for reason in Reason if counts[reason]}


def write_report(report: ChipReport) -> None:
    """Write `report.json`."""
    record = asdict(report) | {"folder": str(report.folder), "seconds": round(report.seconds, 3)}
    write_text(report.folder / REPORT, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
