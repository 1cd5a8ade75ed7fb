"""Models on this machine: fetched by name, found again, and whether they are still what was published."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.locations import hide_secrets
from instageo.model.registry.manifest import FileChecksum, ModelSize, ModelVersion, RegisteredModel
from instageo.model.registry.names import ModelName, parse_name
from instageo.model.registry.paths import models_folder, offline, registry_url
from instageo.model.registry.registry import Registry, open_registry
from instageo.stores.download import DownloadRequest, download_files, sha256_file

log = logging.getLogger(__name__)

CHECKPOINT = "instageo_best_checkpoint.ckpt"

PUBLISHED = (CHECKPOINT, ".hydra/config.yaml")
"""The files of a model without versions."""

RECORD = ".registry.json"
"""What a folder of a fetched model is, and what its files were."""

UNVERSIONED = "unversioned"


@dataclass(frozen=True)
class LocalModel:
    """A fetched model.

    Attributes:
        folder: Where it lies.
        told: Its record: registry, model, size, version, and of each file size, sha256, tag and time.
    """

    folder: Path
    told: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.told['model']}/{self.told['size']}@{self.told['version']}"

    def untouched(self, proofs: Mapping[str, FileChecksum]) -> bool:
        """Whether all files are those, by size and time alone."""
        files = self.told["files"]
        same = {path: proof.sha256 for path, proof in proofs.items()} == {
            p: known["sha256"] for p, known in files.items()
        }
        return same and all(_stamp(self.folder / path) == (f["size"], f["mtime_ns"]) for path, f in files.items())

    def faults(self) -> list[str]:
        """What is wrong with its files, read whole; empty if nothing is."""
        found = []
        for path, known in self.told["files"].items():
            file = self.folder / path
            if not file.is_file():
                found.append(f"{file}: is missing")
            elif sha256_file(file) != known["sha256"]:
                found.append(f"{file}: is not what was fetched from {self.told['registry']}; pull it again")
        return found


def find_local_models(folder: Path) -> Iterator[LocalModel]:
    """All fetched models below a folder."""
    for record in sorted(folder.rglob(RECORD)):
        yield LocalModel(record.parent, json.loads(record.read_text()))


def pull(registry: Registry, name: ModelName, folder: Path, *, flat: bool = False) -> LocalModel:
    """Fetch a model, unless it is there.

    Args:
        registry: Where it is published.
        name: Which.
        folder: Models go to `model/size/version` below it.
        flat: To `model/size` instead.

    Raises:
        RegistryError: There is no such model.
        StoreError: Its files cannot be had or are not what was published.
    """
    model, size, version = registry.find(name)
    to = folder / model.key / size.name
    to = to if flat else to / str(version.number or UNVERSIONED)
    known = _copy(to)
    if version.number is None:
        log.warning("%s/%s: has no versions and no checksums; nothing vouches for its files", model.key, size.name)
    elif known and known.untouched(version.files):
        return known
    proofs = dict(version.files) or dict.fromkeys(PUBLISHED)
    wanted = [
        _wanted(f"{version.folder}/{path}", to / path, proof, _tag(known, path)) for path, proof in proofs.items()
    ]
    log.info("fetching %s/%s %s to %s", model.key, size.name, version.number or UNVERSIONED, to)
    tags = {path: facts.tag for path, facts in download_files(wanted).items()}
    return _record(
        to, registry, model, size, version, {file.path.relative_to(to).as_posix(): tags[file.path] for file in wanted}
    )


def local_checkpoint(text: str) -> Path:
    """The checkpoint of a model by name, fetched where it is not on this machine yet.

    Args:
        text: `registry:model/size@version`; the environment says which registry, see `environment`.

    Raises:
        RegistryError: There is no such model, or it was not fetched before and stores are not to be asked.
        StoreError: It cannot be had.
    """
    name, folder = parse_name(text), models_folder()
    registry = open_registry(registry_url())
    if offline():
        model, size, version = registry.find(name)
        known = _copy(folder / model.key / size.name / str(version.number or UNVERSIONED))
        if known is None or not (known.folder / CHECKPOINT).is_file():
            raise RegistryError(f"{text}: was not fetched before, and stores are not to be asked (INSTAGEO_OFFLINE)")
        return known.folder / CHECKPOINT
    return pull(registry, name, folder).folder / CHECKPOINT


def _stamp(file: Path) -> tuple[int, int] | None:
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None


def _copy(folder: Path) -> LocalModel | None:
    try:
        return LocalModel(folder, json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError):
        return None


def _wanted(url: str, path: Path, proof: FileChecksum | None, tag: str | None) -> DownloadRequest:
    return DownloadRequest(url, path, proof.size, proof.sha256) if proof else DownloadRequest(url, path, tag=tag)


def _tag(known: LocalModel | None, path: str) -> str | None:
    tag: str | None = known.told["files"].get(path, {}).get("tag") if known else None
    return tag


def _record(
    to: Path,
    registry: Registry,
    model: RegisteredModel,
    size: ModelSize,
    version: ModelVersion,
    tags: Mapping[str, str],
) -> LocalModel:
    files = {}
    for path, tag in tags.items():
        file = to / path
        proof = version.files.get(path)
        stat, sha256 = file.stat(), proof.sha256 if proof else sha256_file(file)
        files[path] = {"size": stat.st_size, "sha256": sha256, "tag": tag, "mtime_ns": stat.st_mtime_ns}
    told = {
        "registry": hide_secrets(registry.url), "model": model.key, "size": size.name,
        "version": str(version.number or UNVERSIONED), "files": files,
    }  # fmt: skip
    part = to / f"{RECORD}.part"
    part.write_text(json.dumps(told, indent=2))
    part.replace(to / RECORD)
    return LocalModel(to, told)
