"""The journal of a run: one line for each finished chip, so that a run that was stopped goes on where it ended."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instageo.data.output.skipped import Reason, Skipped
from instageo.files import write_text

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Finished:
    """A chip that needs no more work.

    Attributes:
        name: Name of its plan.
        files: Size in bytes of each file, by its path in the output folder; empty if it became no chip.
        row: Its row of the table; empty if it became no chip.
        skipped: Observations of it that are in no chip.
    """

    name: str
    files: Mapping[str, int]
    row: Mapping[str, Any]
    skipped: tuple[Skipped, ...] = ()

    def line(self) -> str:
        """Return its line in the journal."""
        skipped = [asdict(skipped) for skipped in self.skipped]
        record = {"name": self.name, "files": dict(self.files), "row": dict(self.row), "skipped": skipped}
        return json.dumps(record, ensure_ascii=False) + "\n"


class ChipJournal:
    """Finished chips of an output folder.

    Args:
        folder: The folder.
        is_resumed: Whether finished chips of an earlier run are kept; unfinished files are removed.
    """

    def __init__(self, folder: Path, *, is_resumed: bool) -> None:
        self._folder, self._path = folder, folder / JOURNAL
        self.finished: dict[str, Finished] = {}
        if is_resumed:
            for file in folder.glob("*/.*.part"):  # of a process that was killed; the folder is held
                file.unlink(missing_ok=True)
            whole = {chip.name: (chip, line) for chip, line in _read(self._path) if _is_whole(str(folder), chip)}
            self.finished = {name: chip for name, (chip, _) in whole.items()}
            write_text(self._path, "".join(line for _, line in whole.values()))
        else:
            write_text(self._path, "")

    def add(self, chips: Iterable[Finished]) -> None:
        """Record finished chips, whose files are on the disk."""
        chips = list(chips)
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(chip.line() for chip in chips)
            file.flush()
            os.fsync(file.fileno())
        self.finished |= {chip.name: chip for chip in chips}

    def close(self, order: Sequence[str]) -> None:
        """Write the journal in the order of the plans, as of a run that was not stopped."""
        lines = [self.finished[name].line() for name in order if name in self.finished]
        write_text(self._path, "".join(lines))


def _read(path: Path) -> list[tuple[Finished, str]]:
    """Return the chips of a journal and their lines; a last line that was cut is left out."""
    if not path.is_file():
        return []
    chips = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            record = json.loads(line)
            skipped = tuple(
                Skipped(part["number"], Reason(part["reason"]), part["detail"]) for part in record["skipped"]
            )
            chips.append((Finished(record["name"], record["files"], record["row"], skipped), f"{line.rstrip()}\n"))
        except (ValueError, KeyError, TypeError):
            continue
    return chips


def _is_whole(folder: str, chip: Finished) -> bool:
    """Return whether all files of a chip are there with their size."""
    try:
        return all(os.stat(os.path.join(folder, name)).st_size == size for name, size in chip.files.items())  # noqa: PTH116
    except OSError:
        return False
