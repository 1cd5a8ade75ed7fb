"""What was predicted before in a folder, so that an interrupted run goes on where it was."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch

from instageo.locations import file_stamp, hide_secrets
from instageo.model.inference.batch import PredictionItem, PredictionOutcome
from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.settings import Settings
from instageo.model.settings.compose import flatten, settings_to_dict
from instageo.model.settings.roles import NO_EFFECT_ON_MAPS
from instageo.parallel import map_threads
from instageo.stores.download import sha256_file
from instageo.version import __version__

JOURNAL = "finished.jsonl"
"""File beside the predictions: a line for each."""


class Journal:
    """The finished predictions of a folder.

    A chip is finished if a line tells of the same chip (path, size and time of its file, dates and place that the table
    gives), the same checkpoint (by its content), settings and versions, and if its map is still the one that was
    written (size and SHA-256). A chip whose store does not tell of changes is predicted anew.

    Args:
        folder: Where predictions go; need not exist.
        mark: Of the model (`model_mark`).
    """

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder = folder
        self._model = mark
        self._marks: dict[str, str | None] = {}
        self._gap = ""

    def finished(self, items: Sequence[PredictionItem]) -> dict[str, PredictionOutcome]:
        """What became of items before, by their input; without those that are still to be predicted."""
        self._marks = {item.row.input: mark for item, mark in zip(items, map_threads(self._mark, items), strict=True)}
        lines = self._read()
        told = [(item, lines[mark]) for item in items if (mark := self._marks[item.row.input]) in lines]
        whole = map_threads(lambda each: _is_whole(*each), told)
        found = zip(told, whole, strict=True)
        return {item.row.input: replace(outcome, input=item.row.input) for (item, outcome), holds in found if holds}

    @contextmanager
    def writing(self) -> Iterator[Callable[[PredictionOutcome], None]]:
        """Gives what writes down an outcome; failures are not finished and leave no line."""
        path = self.folder / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:

            def write(outcome: PredictionOutcome) -> None:
                mark = self._marks[outcome.input]
                if mark is None or outcome.error is not None:
                    return
                told = {"chip": hide_secrets(outcome.input), "mark": mark, "seen": outcome.seen}
                told |= {"size": outcome.size, "sha256": outcome.sha256, "record": outcome.record}
                file.write(f"{json.dumps(told)}\n")
                file.flush()

            file.write(self._gap)
            yield write

    def _mark(self, item: PredictionItem) -> str | None:
        """Changes when the prediction would."""
        row, seen = item.row, file_stamp(item.row.input)
        output = item.output and item.output.relative_to(self.folder).as_posix()
        told = self._model, row.input, seen, [day.isoformat() for day in row.dates], row.place, output
        return seen and sha256(repr(told).encode()).hexdigest()

    def _read(self) -> dict[str | None, PredictionOutcome]:
        """Lines by their mark; one that is not whole says nothing."""
        path, lines = self.folder / JOURNAL, {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "\n"
        self._gap = "" if text.endswith("\n") else "\n"  # a line that was cut off stays one of its own
        for line in text.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                outcome = PredictionOutcome(
                    told["chip"], None, told["seen"], told["size"], told["sha256"], told["record"]
                )
                lines[told["mark"]] = outcome
        return lines


def model_fingerprint(settings: Settings) -> str:
    """Changes with the checkpoint's content, with settings that predictions depend on, and with versions."""
    told = {
        key: value
        for key, value in flatten(settings_to_dict(settings)).items()
        if not key.startswith(NO_EFFECT_ON_MAPS)
    }
    checkpoint = sha256_file(locate_checkpoint(str(settings.checkpoint_path)))
    return sha256(repr((checkpoint, sorted(told.items()), __version__, torch.__version__)).encode()).hexdigest()


def _is_whole(item: PredictionItem, outcome: PredictionOutcome) -> bool:
    if item.output is None:
        return bool(outcome.record)
    with suppress(OSError):
        return item.output.stat().st_size == outcome.size and sha256_file(item.output) == outcome.sha256
    return False
