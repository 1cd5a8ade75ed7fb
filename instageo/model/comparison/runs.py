"""Training runs as they lie in their folders: settings, size of the file, scores and accounts; no network is built."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import CheckpointError, ConfigError
from instageo.model.accounts.record import RUN_FILE, read_run
from instageo.model.checkpoint import BEST, locate, read_checkpoint
from instageo.model.config import flatten, settings_from, shipped_config, to_plain

SCORES_FILE = "metrics.json"

TASK = ("is_reg_task", "dataloader.label_kind", "model.num_classes", "model.class_names")
"""Settings in which runs that are compared agree."""

Scores = Mapping[str, float | None]
"""By name; None where there is none."""


@dataclass(frozen=True)
class TrainedRun:
    """One training run.

    Attributes:
        path: Its checkpoint.
        settings: All of them, `group.key: value`: those asked for, with what the checkpoint decides.
        file_bytes: Size of the checkpoint as it lies.
        weight_bytes: Of that, tensors of the network.
        weight_types: Number formats of these, such as `float32`.
        scores: What `metrics.json` beside the checkpoint says of it; None where it says nothing.
        account: `run.json` beside the checkpoint; empty where there is none.
    """

    path: Path
    settings: Mapping[str, Any]
    file_bytes: int
    weight_bytes: int
    weight_types: tuple[str, ...]
    scores: Scores | None
    account: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call it: its folder, or its file if that is not the best checkpoint of a folder."""
        return str(self.path.parent if self.path.name == f"{BEST}.ckpt" else self.path)

    @property
    def seed(self) -> int | None:
        """The seed; None where nothing tells it."""
        seed: int | None = self.settings["seed"]
        return seed

    @property
    def distilled(self) -> bool:
        """Whether it learnt from a teacher."""
        return bool(self.settings["train.distillation"])

    @property
    def scored_table(self) -> str | None:
        """Fingerprint of the table that `scores` are of; None where nothing tells it."""
        tables = self.account.get("tables") or {}
        tested = tables.get("test_filepath") if self.account.get("mode") == "eval" else None
        fingerprint: str | None = (tested or tables.get("valid_filepath") or {}).get("fingerprint")
        return fingerprint

    @property
    def training(self) -> Mapping[str, Any]:
        """What the whole training took, as `total` of `run.json`; empty where that is unknown."""
        total: Mapping[str, Any] = self.account.get("total", {}) if self.account.get("mode") == "train" else {}
        return total


def read_trained(source: str | Path) -> TrainedRun:
    """A run from its folder or checkpoint.

    Raises:
        CheckpointError: There is no such folder or file, no checkpoint in it, or one that cannot be read.
    """
    path = locate(source)
    if not path.is_file():
        what = f"holds no {BEST}.ckpt" if Path(source).expanduser().is_dir() else "does not exist"
        raise CheckpointError(f"{source}: {what}; expected the folder of a training run, or a checkpoint")
    checkpoint = read_checkpoint(path)
    path, tensors = checkpoint.path, checkpoint.state.values()
    return TrainedRun(
        path,
        _defaults() | {"seed": None} | checkpoint.run | checkpoint.settings,
        path.stat().st_size,
        sum(tensor.nbytes for tensor in tensors),
        tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()})),
        _scores_of(path),
        read_run(path.parent / RUN_FILE),
    )


def read_all(sources: Sequence[str | Path], teacher: str | Path | None = None) -> list[TrainedRun]:
    """Runs in their order; the teacher is the first if it is not among them.

    Raises:
        CheckpointError: One cannot be read.
        ConfigError: One is named twice, or they are not of the same task.
    """
    places = [_place(source) for source in sources]
    for number, (source, place) in enumerate(zip(sources, places, strict=True)):
        if place in places[:number]:
            raise ConfigError(f"{source}: is named twice, but a run counts once; leave one out")
    if teacher is not None and _place(teacher) not in places:
        sources = [teacher, *sources]
    runs = [read_trained(source) for source in sources]
    for run in runs[1:]:
        refuse_another_task(runs[0], run)
    return runs


def is_at(run: TrainedRun, source: str | Path | None) -> bool:
    """Whether a path, of a folder or a checkpoint, means this run."""
    meant = None if source is None else Path(source).expanduser().resolve()
    return meant in (run.path.resolve(), Path(run.name).resolve())


def refuse_another_task(first: TrainedRun, other: TrainedRun) -> None:
    """Refuse two runs that cannot be compared.

    Raises:
        ConfigError: Kind of task, or number or names of the classes differ.
    """
    for key in TASK:
        expected, found = first.settings[key], other.settings[key]
        unknown = key == "model.class_names" and None in (expected, found)
        if found != expected and not unknown:
            raise ConfigError(
                f"{other.name} has {key}={found}, {first.name} {key}={expected}; a report compares runs of one task"
            )


def _place(source: str | Path) -> Path:
    return locate(source).resolve()


def _defaults() -> dict[str, Any]:
    return flatten(to_plain(settings_from(shipped_config())))


def _scores_of(checkpoint: Path) -> Scores | None:
    """The scores beside a best checkpoint; those beside another file are not its own."""
    path = checkpoint.parent / SCORES_FILE
    if checkpoint.name != f"{BEST}.ckpt" or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: is no JSON ({error}); score the run again with mode=eval") from error
    return numbers(content)


def numbers(content: Mapping[str, object]) -> Scores:
    """The scores that are one number, or would be if there were one."""
    return {name: value for name, value in content.items() if value is None or isinstance(value, (int, float))}
