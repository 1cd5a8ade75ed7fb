"""Trainings of a cross-validation: their folders, their commands, and which of them are done."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError
from instageo.files import write_text
from instageo.model.cross_validation.folds import FoldTables
from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.overrides import split_flags
from instageo.model.run_folder.claim import has_training
from instageo.model.runs.trained_run import SCORES_FILE
from instageo.model.settings import Mode
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with
from instageo.model.settings.unused_settings import describe_unused_in_mode
from instageo.model.tracking.run_json import FINISHED, RUN_FILE, read_run_json
from instageo.plain_values import load_json_file

OWN_KEYS = {
    "train_filepath": "the tables are those of the folds",
    "valid_filepath": "the tables are those of the folds",
    "test_filepath": "the tables are those of the folds",
    "mode": "each fold is trained and scored",
    "hydra.run.dir": "name the folder of all runs with --output",
    "train.resume": "trainings that were interrupted continue by themselves",
    "train.overwrite": "remove the folder of the output to start again",
}
"""Settings that a cross-validation makes itself, and what to do instead."""

OTHER_FLAGS = ("-m", "--multirun", "--cfg", "-c", "--info", "-i", "--help", "--hydra-help", "--experimental-rerun")
"""Flags of `instageo run` with which it does something else than one training."""

IDENTITY_FILE = "fold.json"
"""File in the folder of a training that names its settings and tables."""


@dataclass(frozen=True)
class FoldJob:
    """One training on a fold, and its scoring on the fold's test chips.

    Attributes:
        fold: The fold.
        seed: Its seed; None for that of the settings.
        folder: Folder of the training.
        arguments: Settings and flags of `instageo run`, as the user passed them.
    """

    fold: FoldTables
    seed: int | None
    folder: Path
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """The fold and the seed in words."""
        return self.fold.name if self.seed is None else f"{self.fold.name}, seed {self.seed}"

    @property
    def test_folder(self) -> Path:
        """Folder of the scores on the test chips."""
        return self.folder / "test"

    @property
    def is_trained(self) -> bool:
        """Whether the training is finished."""
        return (self.folder / f"{BEST}.ckpt").is_file() and _is_finished(self.folder, Mode.train)

    @property
    def is_scored(self) -> bool:
        """Whether the finished training was scored on the test chips."""
        return (
            self.is_trained and (self.test_folder / SCORES_FILE).is_file() and _is_finished(self.test_folder, Mode.eval)
        )

    def training_command(self) -> list[str]:
        """Return the arguments of `instageo run` that train, or continue an interrupted training."""
        seed = [] if self.seed is None else [f"seed={self.seed}"]
        again = "train.resume=true" if (self.folder / f"{LAST}.ckpt").is_file() else "train.overwrite=true"
        tables = [f"train_filepath={self.fold.train.absolute()}", f"valid_filepath={_absolute(self.fold.val)}"]
        return [*self.arguments, f"root_dir={self.fold.root}", *tables, *seed, f"hydra.run.dir={self.folder}", again]

    def scoring_command(self) -> list[str]:
        """Return the arguments of `instageo run` that score the best checkpoint on the test chips."""
        flags, overrides = split_flags(self.arguments)
        scoring_overrides = [
            each
            for each in overrides
            if (key := override_key(each)) != "checkpoint_path" and not describe_unused_in_mode(Mode.eval, [key])
        ]
        tables = [f"train_filepath={self.fold.train.absolute()}", f"test_filepath={self.fold.test.absolute()}"]
        model = [f"checkpoint_path={self.folder}", f"hydra.run.dir={self.test_folder}"]
        own = ["mode=eval", f"root_dir={self.fold.root}", *tables, *model]
        return [*flags, *scoring_overrides, *own]

    def identity(self) -> dict[str, Any]:
        """Return settings and checksums of the tables, without settings that change no score, such as devices."""
        free = {*keys_with(Role.free_between_repeats), "root_dir"} - {"seed"}
        tables = [table for table in (self.fold.train, self.fold.val, self.fold.test) if table]
        flags, overrides = split_flags(self.arguments)
        return {
            "settings": [*flags, *sorted(each for each in overrides if override_key(each) not in free)],
            "tables": {table.name: hashlib.sha256(table.read_bytes()).hexdigest() for table in tables},
        }


def build_jobs(
    folds: Sequence[FoldTables], seeds: Sequence[int], arguments: Sequence[str], output: Path
) -> list[FoldJob]:
    """Return a job for each seed and fold, all folds of the first seed first.

    Args:
        folds: The folds, each with a validation table.
        seeds: Seeds of the trainings; empty for one training with the seed of the settings.
        arguments: Settings and flags of `instageo run`.
        output: Parent of the trainings' folders.

    Raises:
        ConfigError: A setting is one that the cross-validation makes itself.
    """
    for argument in arguments:
        key = override_key(argument)
        if key in OWN_KEYS:
            raise ConfigError(f"{argument} has no place in a cross-validation: {OWN_KEYS[key]}; remove it")
        if key == "seed" and seeds:
            raise ConfigError(f"{argument} and --seeds contradict each other; remove one of them")
        if key in OTHER_FLAGS:
            raise ConfigError(f"{argument} has no place in a cross-validation, whose runs are its folds; remove it")
    chosen = tuple(argument for argument in arguments if override_key(argument) != "root_dir")
    numbers: Sequence[int | None] = seeds or [None]
    return [
        FoldJob(fold, seed, output / fold.name / ("run" if seed is None else f"seed_{seed}"), chosen)
        for seed in numbers
        for fold in folds
    ]


def claim_jobs(jobs: Sequence[FoldJob]) -> None:
    """Note settings and tables of each training in its folder; refuse all if a folder has a training with others.

    Raises:
        ConfigError: A training in the output folder has other settings or tables.
        WriteError: The disk refuses a note.
    """
    identities = [job.identity() for job in jobs]
    for job, identity in zip(jobs, identities, strict=True):
        if problem := _find_difference(job.folder, identity):
            raise ConfigError(f"{job.folder}: {problem}; choose another folder with --output, or remove this one")
    for job, identity in zip(jobs, identities, strict=True):
        write_text(job.folder / IDENTITY_FILE, json.dumps(identity, indent=2) + "\n")


def _find_difference(folder: Path, identity: Mapping[str, Any]) -> str | None:
    """Return how the training that a folder holds differs from the one that is wanted; None if it does not."""
    path = folder / IDENTITY_FILE
    if not path.is_file():
        return "holds a training of its own" if has_training(folder) else None
    try:
        stored = load_json_file(path)
        settings, tables = list(stored["settings"]), dict(stored["tables"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"its {IDENTITY_FILE} is damaged, so that its settings are unknown"
    if settings != identity["settings"]:
        previous = " ".join(each for each in settings if each not in identity["settings"])
        requested = " ".join(each for each in identity["settings"] if each not in settings)
        return f"was trained with {previous or 'fewer settings'}, but you passed {requested or 'fewer'}"
    changed = [name for name, checksum in identity["tables"].items() if tables.get(name) != checksum]
    return f"was trained on other chips: {' and '.join(changed)} differ" if changed else None


def override_key(argument: str) -> str:
    """Return the setting that an argument `key=value` sets; an argument of another kind is its own key."""
    return argument.lstrip("+~").partition("=")[0]


def _absolute(path: Path | None) -> Path:
    if path is None:
        raise ValueError("a fold needs a validation table; see add_validation")
    return path.absolute()


def _is_finished(folder: Path, mode: Mode) -> bool:
    metadata = read_run_json(folder / RUN_FILE)
    return metadata.get("mode") == mode.value and metadata.get("status") == FINISHED
