"""Models on this machine: download them by name, find them, and check whether they are as published."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.files import write_text
from instageo.locations import hide_secrets
from instageo.model.registry.manifest import FileChecksum, ModelSize, ModelVersion, RegisteredModel
from instageo.model.registry.names import ModelName, parse_name
from instageo.model.registry.paths import is_offline, models_folder, registry_url
from instageo.model.registry.published_paths import is_published_path, locate_below
from instageo.model.registry.registry import Registry, open_registry
from instageo.plain_values import load_json
from instageo.stores.download import DownloadRequest, download_files, sha256_file

log = logging.getLogger(__name__)

CHECKPOINT = "instageo_best_checkpoint.ckpt"

PUBLISHED = (CHECKPOINT, ".hydra/config.yaml")
"""Files of a model without versions."""

RECORD = ".registry.json"
"""File in the folder of a local model, with the model's name and the size, hash, ETag and time of its files."""

UNVERSIONED = "unversioned"

REPAIR = "pull the model again"
"""What to do about a damaged record."""


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine.

    Attributes:
        folder: Folder of its files.
        record: registry, model, size, version, names of the classes, and size, sha256, tag (ETag) and mtime_ns of each
            file.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`model/size@version`."""
        return f"{self.record['model']}/{self.record['size']}@{self.record['version']}"

    def is_unchanged(self, checksums: Mapping[str, FileChecksum]) -> bool:
        """Return whether the files are the ones with these checksums, by size and time, without reading them."""
        files = self.record["files"]
        if {path: checksum.sha256 for path, checksum in checksums.items()} != {
            path: recorded["sha256"] for path, recorded in files.items()
        }:
            return False
        return all(
            _size_and_time(self.folder / path) == (recorded["size"], recorded["mtime_ns"])
            for path, recorded in files.items()
        )

    def find_problems(self) -> list[str]:
        """Read all files and return a sentence for each that is missing or differs from the published one."""
        problems = []
        for path, recorded in self.record["files"].items():
            file = self.folder / path
            if not file.is_file():
                problems.append(f"{file}: is missing")
            elif sha256_file(file) != recorded["sha256"]:
                problems.append(f"{file}: differs from the file in {self.record['registry']}; pull it again")
        return problems


def find_local_models(folder: Path) -> tuple[list[LocalModel], list[str]]:
    """Return all local models below a folder, and a sentence for each whose record is damaged."""
    models, problems = [], []
    for record in sorted(folder.rglob(RECORD)):
        try:
            if model := read_local_model(record.parent):
                models.append(model)
        except RegistryError as error:
            problems.append(str(error))
    return models, problems


def pull(registry: Registry, name: ModelName, folder: Path, *, flat: bool = False) -> LocalModel:
    """Download a model unless it is on this machine.

    Args:
        registry: Registry that has it.
        name: Its name.
        folder: Folder of the local models; this one goes to `model/size/version` below it.
        flat: Whether it goes to `model/size` instead.

    Raises:
        RegistryError: The registry has no such model.
        StoreError: Its files cannot be read or differ from those published.
    """
    model, size, version = registry.find(name)
    number = str(version.number or UNVERSIONED)
    target = folder / model.key / size.name / ("" if flat else number)
    existing = _read_usable(target)
    if version.number is None:
        log.warning("%s/%s: has no versions and no checksums, so its files cannot be verified", model.key, size.name)
    elif existing and existing.is_unchanged(version.files):
        return existing
    log.info("downloading %s/%s %s to %s", model.key, size.name, number, target)
    etags = _download(version, target, existing)
    return _write_record(target, registry, model, size, version, etags)


def _download(version: ModelVersion, target: Path, existing: LocalModel | None) -> dict[str, str]:
    """Download the files of a version and return their ETags by path below the folder."""
    recorded = existing.record["files"] if existing else {}
    requests = {}
    for path in version.files or PUBLISHED:
        url, checksum, file = f"{version.folder}/{path}", version.files.get(path), locate_below(target, path)
        requests[path] = (
            DownloadRequest(url, file, size=checksum.size, sha256=checksum.sha256)
            if checksum
            else DownloadRequest(url, file, etag=recorded.get(path, {}).get("tag"))
        )
    infos = download_files(list(requests.values()))
    return {path: infos[request.path].etag for path, request in requests.items()}


def fetch_checkpoint(text: str) -> Path:
    """Return the checkpoint of a model by name, downloaded unless it is on this machine.

    Args:
        text: `registry:model/size@version`, in the registry that the environment sets; see `paths`.

    Raises:
        RegistryError: The registry has no such model, or offline mode is on and the model is not on this machine.
        StoreError: It cannot be downloaded.
    """
    name, folder = parse_name(text), models_folder()
    registry = open_registry(registry_url())
    if is_offline():
        model, size, version = registry.find(name)
        existing = read_local_model(folder / model.key / size.name / str(version.number or UNVERSIONED))
        if existing is None or not (existing.folder / CHECKPOINT).is_file():
            raise RegistryError(
                f"{text}: is not on this machine, and offline mode (INSTAGEO_OFFLINE) accesses no store"
            )
        return existing.folder / CHECKPOINT
    return pull(registry, name, folder).folder / CHECKPOINT


def published_class_names(folder: Path) -> list[str]:
    """Return the names that a registry gives the classes of the model in a folder; empty if it is from none."""
    model = _read_usable(folder)
    return list(model.record.get("classes", ())) if model else []


def _size_and_time(file: Path) -> tuple[int, int] | None:
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None


def read_local_model(folder: Path) -> LocalModel | None:
    """Return the model in a folder; None if the folder has no record.

    Raises:
        RegistryError: Its record is damaged.
    """
    path = folder / RECORD
    try:
        record = load_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: is damaged ({error}); {REPAIR}") from error
    if not _is_record(record):
        raise RegistryError(f"{path}: is damaged: it lacks what a record holds; {REPAIR}")
    return LocalModel(folder, record)


def _read_usable(folder: Path) -> LocalModel | None:
    """Return the model in a folder; None if it has no record or, with a warning, a damaged one."""
    try:
        return read_local_model(folder)
    except RegistryError as error:
        log.warning("%s", error)
        return None


def _is_record(record: object) -> bool:
    """Return whether plain values are a record as `_write_record` writes it."""
    if not isinstance(record, Mapping):
        return False
    files, classes = record.get("files"), record.get("classes", [])
    texts = [record.get(key) for key in ("registry", "model", "size", "version")]
    return (
        isinstance(files, Mapping)
        and isinstance(classes, list)
        and all(isinstance(text, str) for text in [*texts, *classes])
        and all(is_published_path(path) and _is_file_record(entry) for path, entry in files.items())
    )


def _is_file_record(entry: object) -> bool:
    kinds = {"size": int, "sha256": str, "mtime_ns": int}
    return isinstance(entry, Mapping) and all(isinstance(entry.get(key), kind) for key, kind in kinds.items())


def _write_record(
    folder: Path,
    registry: Registry,
    model: RegisteredModel,
    size: ModelSize,
    version: ModelVersion,
    etags: Mapping[str, str],
) -> LocalModel:
    files = {}
    for path, etag in etags.items():
        checksum, stat = version.files.get(path), (folder / path).stat()
        sha256 = checksum.sha256 if checksum else sha256_file(folder / path)
        files[path] = {"size": stat.st_size, "sha256": sha256, "tag": etag, "mtime_ns": stat.st_mtime_ns}
    record = {
        "registry": hide_secrets(registry.url), "model": model.key, "size": size.name,
        "version": str(version.number or UNVERSIONED),
        "classes": [name for _, name in sorted(model.classes.items())], "files": files,
    }  # fmt: skip
    write_text(folder / RECORD, json.dumps(record, indent=2))
    return LocalModel(folder, record)
