"""What was predicted before in a folder, so that an interrupted run goes on where it was."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch

from instageo.locations import hide_secrets, stamp
from instageo.model.checkpoint import locate
from instageo.model.config import flatten, to_plain
from instageo.model.parallel import by_threads
from instageo.model.predicting.work import Item, Outcome
from instageo.model.registry.transfer import sha256_of
from instageo.model.settings import Settings
from instageo.version import __version__

JOURNAL = "finished.jsonl"
"""File beside the predictions: a line for each."""

WITHOUT_EFFECT = (
    "root_dir", "train_filepath", "valid_filepath", "test_filepath", "checkpoint_path", "output_dir", "mode", "seed",
    "engine", "ray.", "energy", "logger", "tracking.", "distill.", "dataloader.num_workers", "dataloader.cache",
    "dataloader.sampler", "dataloader.on_bad_row", "dataloader.augmentations.",
)  # fmt: skip
"""Beginnings of the settings that no prediction depends on, or by the content of a file alone."""


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

    def finished(self, items: Sequence[Item]) -> dict[str, Outcome]:
        """What became of items before, by their input; without those that are still to be predicted."""
        self._marks = {item.row.input: mark for item, mark in zip(items, by_threads(self._mark, items), strict=True)}
        lines = self._read()
        told = [(item, lines[mark]) for item in items if (mark := self._marks[item.row.input]) in lines]
        whole = by_threads(lambda each: _is_whole(*each), told)
        found = zip(told, whole, strict=True)
        return {item.row.input: replace(outcome, input=item.row.input) for (item, outcome), holds in found if holds}

    @contextmanager
    def writing(self) -> Iterator[Callable[[Outcome], None]]:
        """Gives what writes down an outcome; failures are not finished and leave no line."""
        path = self.folder / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:

            def write(outcome: Outcome) -> None:
                mark = self._marks[outcome.input]
                if mark is None or outcome.error is not None:
                    return
                told = {"chip": hide_secrets(outcome.input), "mark": mark, "seen": outcome.seen}
                told |= {"size": outcome.size, "sha256": outcome.sha256, "record": outcome.record}
                file.write(f"{json.dumps(told)}\n")
                file.flush()

            file.write(self._gap)
            yield write

    def _mark(self, item: Item) -> str | None:
        """Changes when the prediction would."""
        row, seen = item.row, stamp(item.row.input)
        output = item.output and item.output.relative_to(self.folder).as_posix()
        told = self._model, row.input, seen, [day.isoformat() for day in row.dates], row.place, output
        return seen and sha256(repr(told).encode()).hexdigest()

    def _read(self) -> dict[str | None, Outcome]:
        """Lines by their mark; one that is not whole says nothing."""
        path, lines = self.folder / JOURNAL, {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "\n"
        self._gap = "" if text.endswith("\n") else "\n"  # a line that was cut off stays one of its own
        for line in text.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                outcome = Outcome(told["chip"], None, told["seen"], told["size"], told["sha256"], told["record"])
                lines[told["mark"]] = outcome
        return lines


def model_mark(settings: Settings) -> str:
    """Changes with the checkpoint's content, with settings that predictions depend on, and with versions."""
    told = {key: value for key, value in flatten(to_plain(settings)).items() if not key.startswith(WITHOUT_EFFECT)}
    checkpoint = sha256_of(locate(str(settings.checkpoint_path)))
    return sha256(repr((checkpoint, sorted(told.items()), __version__, torch.__version__)).encode()).hexdigest()


def _is_whole(item: Item, outcome: Outcome) -> bool:
    if item.output is None:
        return bool(outcome.record)
    with suppress(OSError):
        return item.output.stat().st_size == outcome.size and sha256_of(item.output) == outcome.sha256
    return False
