"""What a registry's manifest records of a run: its task, classes, files and origin."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.model.exports.export_record import read_record
from instageo.model.graphs.exported_files import EXPORTS, RECORD_FILE
from instageo.model.registry.local_models import CHECKPOINT, PUBLISHED
from instageo.model.registry.manifest import FileChecksum
from instageo.model.registry.names import is_registry_name, parse_name
from instageo.model.registry.published_paths import is_published_path, locate_below
from instageo.model.registry.stac import FORMATS
from instageo.model.runs.trained_run import SCORES_FILE, TrainedRun, read_trained_run
from instageo.model.settings.derived import band_names
from instageo.model.tracking.network_summary import summarize_predictor
from instageo.model.tracking.run_json import FINISHED, RUN_FILE
from instageo.model.user_code import find_user_code
from instageo.stores.download import sha256_file
from instageo.wording import counted


def read_publishable_run(folder: Path) -> TrainedRun:
    """Read a finished run from its folder.

    Raises:
        RegistryError: It is not finished, or its checkpoint stores no metrics or bands.
        CheckpointError: Its checkpoint cannot be read.
    """
    missing = [path for path in PUBLISHED if not (folder / path).is_file()]
    if missing:
        raise RegistryError(f"{folder}: is not a finished run: it has no {missing[0]}; expected a folder of mode=train")
    run = read_trained_run(folder / CHECKPOINT)
    status = run.metadata.get("status") if run.metadata.get("mode") == "train" else None
    if status not in (None, FINISHED):
        raise RegistryError(
            f"{folder}: its training is not finished: {RUN_FILE} says {status}; complete it with train.resume=true, "
            "with a lower train.num_epochs if the epochs it has are enough"
        )
    if not run.checkpoint_metrics:
        raise RegistryError(
            f"{folder}: its checkpoint stores no metrics, so it could not be compared with others; train it with "
            "this program"
        )
    if code := find_user_code(run.settings.get("train.loss")):
        raise RegistryError(
            f"{folder}: was trained with train.loss={code}, and a published model may not name code, which others "
            "would run to fine-tune it; train with a loss of the program"
        )
    if not run.settings.get("dataloader.band_names"):
        raise RegistryError(
            f"{folder}: its checkpoint does not name its bands; train with dataloader.band_names or dataloader.sensor"
        )
    return run


def numbered_classes(run: TrainedRun, given: Sequence[str], published: Sequence[str] = ()) -> dict[int, str]:
    """Return the name of each class; empty for regression.

    Args:
        run: The run.
        given: Names from the user; empty for those of the run.
        published: Names in the registry, for a run without names.

    Raises:
        RegistryError: The number of names is not the number of classes, or given names contradict those of the run.
    """
    if run.settings["is_reg_task"]:
        if given:
            raise RegistryError(f"{run.path.parent}: a regression has no classes; remove --classes")
        return {}
    own = run.settings["model.class_names"]
    if given and own and list(given) != list(own):
        raise RegistryError(
            f"{run.path.parent}: was trained with the classes {', '.join(own)}, but --classes says {', '.join(given)}; "
            "remove --classes, the names are read from the run"
        )
    names, count = given or own or published, run.settings["model.num_classes"]
    if len(names) != count:
        problem = f"{counted(len(names), 'name')} of classes" if names else "no names of its classes"
        raise RegistryError(
            f"{run.path.parent}: has {counted(count, 'class')} and {problem}; give --classes 'A,B,…', or train with "
            "model.class_names"
        )
    return dict(enumerate(names))


def checksum_run(run: TrainedRun) -> dict[str, FileChecksum]:
    """Return the checksums of the files to publish, by path below the run's folder.

    Raises:
        RegistryError: A name cannot be published, or a symbolic link leads out of the folder.
    """
    folder = run.path.parent
    listed = [folder / EXPORTS / name for entry in read_exports(run).values() for name in entry["files"]]
    others = [path for path in (folder / EXPORTS).glob("*") if path.suffix in FORMATS]
    record = [folder / EXPORTS / RECORD_FILE] if listed else []
    exports = sorted({*listed, *others, *record})
    files = [*(folder / name for name in (*PUBLISHED, RUN_FILE, SCORES_FILE)), *exports]
    return {_published_path(folder, path): checksum_file(path) for path in files if path.is_file()}


def _published_path(folder: Path, path: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    if not is_published_path(relative):
        raise RegistryError(f"{path}: a file of this name cannot be published; rename or remove it")
    locate_below(folder, relative)
    return relative


def read_exports(run: TrainedRun) -> dict[str, dict[str, Any]]:
    """Return what `export.json` says of the files in a run's `exports` folder, by file name; empty without it.

    Raises:
        RegistryError: They were made of another checkpoint, or a file is missing or was changed since.
    """
    folder = run.path.parent / EXPORTS
    record = read_record(folder)
    entries: dict[str, dict[str, Any]] = record["exports"]
    if entries and (record.get("model") or {}).get("sha256") != sha256_file(run.path):
        raise RegistryError(
            f"{folder}: its files were exported from another checkpoint than {run.path.name} is now; export again, or "
            "remove the folder"
        )
    for entry in entries.values():
        for name, recorded in entry["files"].items():
            path = folder / name
            if not path.is_file() or sha256_file(path) != recorded["sha256"]:
                raise RegistryError(f"{path}: is missing, or was changed since it was exported; export it again")
    return entries


def summarize_exports(run: TrainedRun) -> dict[str, dict[str, Any]]:
    """Return what a manifest records of each export, by path below the run's folder."""
    fields = ("format", "precision", "gate", "mlm:artifact_type", "mlm:input", "mlm:output")
    return {
        f"{EXPORTS}/{name}": {key: entry[key] for key in fields if key in entry}
        for name, entry in read_exports(run).items()
    }


def checksum_file(path: Path) -> FileChecksum:
    """Return size and hash of a file."""
    return FileChecksum(path.stat().st_size, sha256_file(path))


def version_metadata(run: TrainedRun, licence: str | None) -> dict[str, Any]:
    """Return what the manifest records of a version besides its files, as plain values.

    Args:
        run: The run; its network is loaded.
        licence: An SPDX identifier; None if it is not known.

    Raises:
        CheckpointError: The network cannot be loaded.
    """
    predictor = run.load()
    network, data = summarize_predictor(predictor), predictor.settings.dataloader
    train_table = (run.metadata.get("tables") or {}).get("train_filepath") or {}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licence": licence,
        "architecture": f"{run.settings['model.model_name']} with the head {run.settings['model.head']}",
        "bands": list(band_names(predictor.settings)),
        "shape": network["forward_shape"],
        "outputs": run.settings["model.num_classes"],
        "mean": list(data.given_mean or ()),
        "std": list(data.std) if isinstance(data.std, list) else [],
        "metrics": {name: round(value, 6) for name, value in run.checkpoint_metrics.items()},
        "data_fingerprint": train_table.get("fingerprint"),
        "teacher": identify_teacher(run.settings),
        "num_params": network["parameters"],
        "gflops": round(network["forward_flops"] / 1e9, 6),
        "energy_kwh": (run.metadata.get("total") or {}).get("energy_kwh"),
        "git_revision": (run.metadata.get("git") or {}).get("revision"),
        **({"exports": exports} if (exports := summarize_exports(run)) else {}),
        "versions": dict(run.metadata.get("versions") or {"torch": version("torch")}),
    }


def identify_teacher(settings: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the teacher's name in a registry, or its file name and hash; None without distillation.

    Args:
        settings: Those of the run. The hash is `unknown` if the teacher's file no longer exists.
    """
    source = settings.get("train.teacher_ckpt_path")
    if not source or not settings.get("train.distillation"):
        return None
    if is_registry_name(source):
        return {"name": str(parse_name(source))}
    path = Path(source).expanduser()
    path = path / CHECKPOINT if path.is_dir() else path
    return {"file": path.name, "sha256": sha256_file(path) if path.is_file() else "unknown"}
