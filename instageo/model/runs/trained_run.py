"""Finished training runs as their folders hold them: settings, weights, scores and metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import CheckpointError, ConfigError
from instageo.model.networks.checkpoint import BEST, locate_checkpoint, read_checkpoint
from instageo.model.settings.compose import default_settings, settings_to_dict
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, keys_with
from instageo.model.tracking.run_json import RUN_FILE, read_run_json
from instageo.plain_values import load_json_file

if TYPE_CHECKING:
    from instageo.model.inference.predictor import Predictor

SCORES_FILE = "metrics.json"

Scores = Mapping[str, float | None]
"""Scores by name; None for one that is not defined."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run, read without building its network.

    Attributes:
        path: Its checkpoint.
        settings: All settings, `group.key: value`: those it was started with, updated by those the checkpoint stores.
        file_bytes: Size of the checkpoint file.
        weight_bytes: Size of the network's tensors in it.
        weight_types: Data types of these tensors, such as `float32`.
        scores: Single-number scores in the `metrics.json` next to the checkpoint; None without this file.
        metadata: Content of the `run.json` next to the checkpoint; empty without this file.
        checkpoint_metrics: Validation scores stored in the checkpoint; empty if it stores none.
    """

    path: Path
    settings: Mapping[str, Any]
    file_bytes: int
    weight_bytes: int
    weight_types: tuple[str, ...]
    scores: Scores | None
    metadata: Mapping[str, Any]
    checkpoint_metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder, or its file if that is not the best checkpoint of a folder."""
        return str(self.path.parent if self.path.name == f"{BEST}.ckpt" else self.path)

    @property
    def seed(self) -> int | None:
        """The seed; None if it is unknown."""
        seed: int | None = self.settings["seed"]
        return seed

    @property
    def distilled(self) -> bool:
        """Whether it was trained by distillation."""
        return bool(self.settings["train.distillation"])

    @property
    def task(self) -> str:
        """Its task, as a registry names it: `segmentation`, `chip_classification` or another."""
        label = self.settings["dataloader.label_kind"]
        if self.settings["is_reg_task"]:
            return "regression" if label == "raster" else "chip_regression"
        return {"raster": "segmentation", "chip": "chip_classification"}.get(label, "chip_multilabel")

    @property
    def scored_table(self) -> str | None:
        """Fingerprint of the table that `scores` were computed on; None if it is unknown."""
        tables = self.metadata.get("tables") or {}
        test_table = tables.get("test_filepath") if self.metadata.get("mode") == "eval" else None
        fingerprint: str | None = (test_table or tables.get("valid_filepath") or {}).get("fingerprint")
        return fingerprint

    @property
    def training_total(self) -> Mapping[str, Any]:
        """Time and energy of the whole training, as `total` of `run.json`; empty if they are unknown."""
        total: Mapping[str, Any] = self.metadata.get("total", {}) if self.metadata.get("mode") == "train" else {}
        return total

    def load(self, device: str | None = None) -> "Predictor":
        """Load its network for inference; see `load_model`."""
        from instageo.model.map_jobs.trained_model import load_model

        return load_model(self.path, device=device)


def read_trained_run(source: str | Path) -> TrainedRun:
    """Read a run from its folder or checkpoint.

    Raises:
        CheckpointError: The folder or file does not exist, has no checkpoint, or cannot be read.
    """
    path = locate_checkpoint(source)
    if not path.is_file():
        problem = f"has no {BEST}.ckpt" if Path(source).expanduser().is_dir() else "does not exist"
        raise CheckpointError(f"{source}: {problem}; expected the folder of a training run, or a checkpoint")
    checkpoint = read_checkpoint(path)
    tensors = checkpoint.state.values()
    defaults = flatten(settings_to_dict(default_settings())) | {"seed": None}
    return TrainedRun(
        path=checkpoint.path,
        settings=defaults | checkpoint.run | checkpoint.settings,
        file_bytes=checkpoint.path.stat().st_size,
        weight_bytes=sum(tensor.nbytes for tensor in tensors),
        weight_types=tuple(
            sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()})
        ),
        scores=_read_scores(checkpoint.path),
        metadata=read_run_json(checkpoint.path.parent / RUN_FILE),
        checkpoint_metrics=checkpoint.metrics,
    )


def read_trained_runs(sources: Sequence[str | Path], teacher: str | Path | None = None) -> list[TrainedRun]:
    """Read runs to be compared, in their order; the teacher comes first if it is not among them.

    Raises:
        CheckpointError: A run cannot be read.
        ConfigError: A run is listed twice, or the runs differ in their task.
    """
    paths = [locate_checkpoint(source).resolve() for source in sources]
    for number, (source, path) in enumerate(zip(sources, paths, strict=True)):
        if path in paths[:number]:
            raise ConfigError(f"{source}: is listed twice, but each run counts once; remove one")
    if teacher is not None and locate_checkpoint(teacher).resolve() not in paths:
        sources = [teacher, *sources]
    runs = [read_trained_run(source) for source in sources]
    for run in runs[1:]:
        check_same_task(runs[0], run)
    return runs


def is_at(run: TrainedRun, source: str | Path | None) -> bool:
    """Return whether a path, of a folder or a checkpoint, points to this run."""
    path = None if source is None else Path(source).expanduser().resolve()
    return path in (run.path.resolve(), Path(run.name).resolve())


def check_same_task(first: TrainedRun, other: TrainedRun) -> None:
    """Raise if two runs cannot be compared.

    Raises:
        ConfigError: Their kind of task or the number or names of their classes differ.
    """
    for key in keys_with(Role.same_task):
        expected, value = first.settings[key], other.settings[key]
        unnamed = key == "model.class_names" and None in (expected, value)
        if value != expected and not unnamed:
            raise ConfigError(
                f"{other.name} has {key}={value}, {first.name} {key}={expected}; a report compares runs of one task"
            )


def single_number_scores(content: Mapping[str, object]) -> Scores:
    """Return the entries of `metrics.json` that are one number, or None in place of one."""
    return {name: value for name, value in content.items() if value is None or isinstance(value, (int, float))}


def read_scores_file(path: Path) -> dict[str, Any]:
    """Return the content of a `metrics.json`.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        content = load_json_file(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error}); score the run again with mode=eval") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: has no scores by name; score the run again with mode=eval")
    return content


def _read_scores(checkpoint: Path) -> Scores | None:
    """Read the scores next to a best checkpoint; those next to another checkpoint are not its own."""
    path = checkpoint.parent / SCORES_FILE
    if checkpoint.name != f"{BEST}.ckpt" or not path.is_file():
        return None
    return single_number_scores(read_scores_file(path))
