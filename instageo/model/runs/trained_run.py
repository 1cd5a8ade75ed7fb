"""Training runs as they lie in their folders: settings, size of the file, scores and accounts; no network is built."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from instageo.model.settings.roles import SAME_TASK
from instageo.errors import CheckpointError, ConfigError
from instageo.model.tracking.run_json import RUN_FILE, read_run_json
from instageo.model.networks.checkpoint import BEST, locate_checkpoint, read_checkpoint
from instageo.model.settings.compose import flatten, settings_from_config, default_config, settings_to_dict
from datetime import UTC, datetime
from importlib.metadata import version
from instageo.errors import RegistryError
from instageo.model.tracking.network_summary import summarize_predictor
from instageo.model.networks.checkpoint import Checkpoint, read_checkpoint
from instageo.model.settings.resolve import band_names
from instageo.model.inference.predictor import Predictor, load_model
from instageo.model.registry.local_models import CHECKPOINT, PUBLISHED
from instageo.model.registry.manifest import FileChecksum
from instageo.model.registry.names import is_registry_name, parse_name
from instageo.model.registry.stac import FORMATS
from instageo.stores.download import sha256_file
from instageo.model.settings import LabelKind, Settings



SCORES_FILE = "metrics.json"

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


def read_trained_run(source: str | Path) -> TrainedRun:
    """A run from its folder or checkpoint.

    Raises:
        CheckpointError: There is no such folder or file, no checkpoint in it, or one that cannot be read.
    """
    path = locate_checkpoint(source)
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
        read_run_json(path.parent / RUN_FILE),
    )


def read_trained_runs(sources: Sequence[str | Path], teacher: str | Path | None = None) -> list[TrainedRun]:
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
    runs = [read_trained_run(source) for source in sources]
    for run in runs[1:]:
        check_same_task(runs[0], run)
    return runs


def is_at(run: TrainedRun, source: str | Path | None) -> bool:
    """Whether a path, of a folder or a checkpoint, means this run."""
    meant = None if source is None else Path(source).expanduser().resolve()
    return meant in (run.path.resolve(), Path(run.name).resolve())


def check_same_task(first: TrainedRun, other: TrainedRun) -> None:
    """Refuse two runs that cannot be compared.

    Raises:
        ConfigError: Kind of task, or number or names of the classes differ.
    """
    for key in SAME_TASK:
        expected, found = first.settings[key], other.settings[key]
        unknown = key == "model.class_names" and None in (expected, found)
        if found != expected and not unknown:
            raise ConfigError(
                f"{other.name} has {key}={found}, {first.name} {key}={expected}; a report compares runs of one task"
            )


def _place(source: str | Path) -> Path:
    return locate_checkpoint(source).resolve()


def _defaults() -> dict[str, Any]:
    return flatten(settings_to_dict(settings_from_config(default_config())))


def _scores_of(checkpoint: Path) -> Scores | None:
    """The scores beside a best checkpoint; those beside another file are not its own."""
    path = checkpoint.parent / SCORES_FILE
    if checkpoint.name != f"{BEST}.ckpt" or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: is no JSON ({error}); score the run again with mode=eval") from error
    return scalar_scores(content)


def scalar_scores(content: Mapping[str, object]) -> Scores:
    """The scores that are one number, or would be if there were one."""
    return {name: value for name, value in content.items() if value is None or isinstance(value, (int, float))}

EXPORTS = "exports"
"""Folder of a run whose files of other formats go with it."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        folder: Its directory.
        predictor: Its network, loaded as for inference.
        checkpoint: As read.
    """

    folder: Path
    predictor: Predictor
    checkpoint: Checkpoint

    @property
    def settings(self) -> Settings:
        """Those of the training run."""
        return self.predictor.settings

    @property
    def kind(self) -> str:
        """Its task."""
        label = self.settings.dataloader.label_kind
        if self.settings.is_reg_task:
            return "regression" if label is LabelKind.raster else "chip_regression"
        kinds = {LabelKind.raster: "segmentation", LabelKind.chip: "chip_classification"}
        return kinds.get(label, "chip_multilabel")

    def classes(self, named: Sequence[str]) -> dict[int, str]:
        """Names by class; empty for regressions.

        Args:
            named: What the user or the registry calls them, where the run does not tell.

        Raises:
            RegistryError: There is not a name for each.
        """
        if self.settings.is_reg_task:
            return {}
        names, count = named or self.settings.model.class_names or (), self.settings.model.num_classes
        if len(names) != count:
            found = f"{len(names)} names of classes" if names else "no names of its classes"
            raise RegistryError(
                f"{self.folder}: has {count} classes and {found}; give --classes 'A,B,…', or train with "
                "model.class_names"
            )
        return dict(enumerate(names))

    def proofs(self) -> dict[str, FileChecksum]:
        """Proofs of the files that go along, by path."""
        exports = [path for path in sorted((self.folder / EXPORTS).glob("*")) if path.suffix in FORMATS]
        beside = [self.folder / name for name in (*PUBLISHED, RUN_FILE, "metrics.json")]
        found = [path for path in (*beside, *exports) if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): checksum_file(path) for path in found}

    def facts(self, licence: str) -> dict[str, Any]:
        """What is told of it beside its files, as plain values."""
        told, data, model = read_run_json(self.folder / RUN_FILE), self.settings.dataloader, self.settings.model
        account = summarize_predictor(self.predictor)
        table = (told.get("tables") or {}).get("train_filepath") or {}
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "licence": licence,
            "architecture": f"{model.model_name} with the head {model.head}",
            "bands": list(band_names(self.settings)),
            "shape": account["forward_shape"],
            "outputs": model.num_classes,
            "mean": list(data.measured or ()),
            "std": list(data.std) if isinstance(data.std, list) else [],
            "metrics": {name: round(value, 6) for name, value in self.checkpoint.metrics.items()},
            "data_fingerprint": table.get("fingerprint"),
            "teacher": _teacher(self.checkpoint.run),
            "num_params": account["parameters"],
            "gflops": round(account["forward_flops"] / 1e9, 6),
            "energy_kwh": (told.get("total") or {}).get("energy_kwh"),
            "git_revision": (told.get("git") or {}).get("revision"),
            "versions": dict(told.get("versions") or {"torch": version("torch")}),
        }


def read_finished_run(folder: Path) -> FinishedRun:
    """A finished run, from its directory.

    Raises:
        RegistryError: It is none, or tells no metrics or bands.
        CheckpointError: Its checkpoint does not load.
    """
    missing = [path for path in PUBLISHED if not (folder / path).is_file()]
    if missing:
        raise RegistryError(f"{folder}: is no finished run: it has no {missing[0]}; expected a directory of mode=train")
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    if not checkpoint.metrics:
        raise RegistryError(
            f"{folder}: its checkpoint tells no metrics, so that nobody could compare it; train it here"
        )
    if not checkpoint.settings.get("dataloader.band_names"):
        raise RegistryError(
            f"{folder}: its checkpoint does not name its bands; train with dataloader.band_names or dataloader.sensor"
        )
    return FinishedRun(folder, load_model(folder / CHECKPOINT), checkpoint)


def checksum_file(path: Path) -> FileChecksum:
    """Size and hash of a file."""
    return FileChecksum(path.stat().st_size, sha256_file(path))


def _teacher(run: Mapping[str, Any]) -> dict[str, str] | None:
    """Who taught it: a name in a registry, or the hash of the teacher's file where it can still be read."""
    path = run.get("train.teacher_ckpt_path")
    if not path or not run.get("train.distillation"):
        return None
    if is_registry_name(path):
        return {"name": str(parse_name(path))}
    file = Path(path).expanduser()
    file = file / CHECKPOINT if file.is_dir() else file
    return {"file": file.name, "sha256": sha256_file(file) if file.is_file() else "unknown"}
