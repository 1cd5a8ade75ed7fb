"""Record finished predictions in their folder, so that an interrupted run resumes where it stopped."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from instageo.files import write_errors
from instageo.locations import file_stamp, hide_secrets
from instageo.model.inference.batch import PredictionItem, PredictionOutcome
from instageo.runtime.parallel import map_threads
from instageo.stores.download import sha256_file

JOURNAL = "finished.jsonl"
"""Name of the file next to the predictions; it has a line for each finished chip."""


class Journal:
    """The finished predictions of a folder.

    A chip is finished if a line describes the same chip (path, size and time of its file, dates and location from the
    table), the same checkpoint (by its content), settings and versions, and if its map is still the one that was
    written (size and SHA-256). A chip whose store reports neither size nor time is predicted again.

    Args:
        folder: Folder of the predictions; need not exist.
        model: Fingerprint of the model (`model_fingerprint`).
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.folder = folder
        self._model = model
        self._fingerprints: dict[str, str | None] = {}
        self._line_break = ""

    def finished(self, items: Sequence[PredictionItem]) -> dict[str, PredictionOutcome]:
        """Return the outcomes of earlier runs by input, without items that are still to be predicted."""
        fingerprints = map_threads(self._fingerprint, items)
        self._fingerprints = {item.row.input: value for item, value in zip(items, fingerprints, strict=True)}
        lines = self._read()
        listed = [
            (item, lines[fingerprint]) for item in items if (fingerprint := self._fingerprints[item.row.input]) in lines
        ]
        intact = map_threads(lambda each: _is_intact(*each), listed)
        return {
            item.row.input: replace(outcome, input=item.row.input)
            for (item, outcome), ok in zip(listed, intact, strict=True)
            if ok
        }

    def append(self, outcome: PredictionOutcome) -> None:
        """Append an outcome whose map is written; failures get no line, since they are not finished.

        Raises:
            WriteError: The disk refuses the line.
        """
        fingerprint = self._fingerprints[outcome.input]
        if fingerprint is None or outcome.error is not None:
            return
        line = {"chip": hide_secrets(outcome.input), "fingerprint": fingerprint, "any_valid": outcome.any_valid}
        line |= {"size": outcome.size, "sha256": outcome.sha256, "record": outcome.record}
        line |= {"unlike_training": dict(outcome.unlike_training)}
        path = self.folder / JOURNAL
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{self._line_break}{json.dumps(line | {'crc32': _checksum(line)})}\n")
        self._line_break = ""

    def _fingerprint(self, item: PredictionItem) -> str | None:
        """Return a hash that changes when the prediction would, or None if the store does not report changes."""
        row, stamp = item.row, file_stamp(item.row.input)
        output = item.output and item.output.relative_to(self.folder).as_posix()
        parts = self._model, row.input, stamp, [day.isoformat() for day in row.dates], row.lat_lon, output
        return stamp and sha256(repr(parts).encode()).hexdigest()

    def _read(self) -> dict[str | None, PredictionOutcome]:
        """Return the outcome of each line by its fingerprint; incomplete and damaged lines are skipped."""
        path, lines = self.folder / JOURNAL, {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "\n"
        self._line_break = "" if text.endswith("\n") else "\n"  # ends a line that was cut off
        for text_line in text.splitlines():
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                line = json.loads(text_line)
                if line.pop("crc32") != _checksum(line):
                    continue
                values = (line[name] for name in ("any_valid", "size", "sha256", "record", "unlike_training"))
                lines[line["fingerprint"]] = PredictionOutcome(line["chip"], None, *values)
        return lines


def _checksum(line: dict[str, object]) -> int:
    return crc32(json.dumps(line).encode())


def _is_intact(item: PredictionItem, outcome: PredictionOutcome) -> bool:
    """Return whether the output is still the one that was written."""
    if item.output is None:
        return bool(outcome.record)
    with suppress(OSError):
        return item.output.stat().st_size == outcome.size and sha256_file(item.output) == outcome.sha256
    return False
