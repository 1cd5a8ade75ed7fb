"""What a finished run is, as a registry tells it: task, bands, classes, scores, cost, and the proofs of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.model.accounts.network import predictor_account
from instageo.model.accounts.record import RUN_FILE, read_run
from instageo.model.checkpoint import Checkpoint, read_checkpoint
from instageo.model.layout import band_names
from instageo.model.predictor import Predictor, load_model
from instageo.model.registry.copies import CHECKPOINT, PUBLISHED
from instageo.model.registry.manifest import Proof
from instageo.model.registry.names import is_name, name_of
from instageo.model.registry.stac import FORMATS
from instageo.model.registry.transfer import sha256_of
from instageo.model.settings import LabelKind, Settings

EXPORTS = "exports"
"""Folder of a run whose files of other formats go with it."""


@dataclass(frozen=True)
class Finished:
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

    def proofs(self) -> dict[str, Proof]:
        """Proofs of the files that go along, by path."""
        exports = [path for path in sorted((self.folder / EXPORTS).glob("*")) if path.suffix in FORMATS]
        beside = [self.folder / name for name in (*PUBLISHED, RUN_FILE, "metrics.json")]
        found = [path for path in (*beside, *exports) if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): proof_of(path) for path in found}

    def facts(self, licence: str) -> dict[str, Any]:
        """What is told of it beside its files, as plain values."""
        told, data, model = read_run(self.folder / RUN_FILE), self.settings.dataloader, self.settings.model
        account = predictor_account(self.predictor)
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


def finished(folder: Path) -> Finished:
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
    return Finished(folder, load_model(folder / CHECKPOINT), checkpoint)


def proof_of(path: Path) -> Proof:
    """Size and hash of a file."""
    return Proof(path.stat().st_size, sha256_of(path))


def _teacher(run: Mapping[str, Any]) -> dict[str, str] | None:
    """Who taught it: a name in a registry, or the hash of the teacher's file where it can still be read."""
    path = run.get("train.teacher_ckpt_path")
    if not path or not run.get("train.distillation"):
        return None
    if is_name(path):
        return {"name": str(name_of(path))}
    file = Path(path).expanduser()
    file = file / CHECKPOINT if file.is_dir() else file
    return {"file": file.name, "sha256": sha256_of(file) if file.is_file() else "unknown"}
