"""Publish a finished run to a registry: upload its files, then add it to the manifest, in one step for all readers."""

import json
import logging
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import RegistryError
from instageo.locations import is_remote
from instageo.model.publishing.version_metadata import (
    checksum_file,
    checksum_run,
    numbered_classes,
    read_publishable_run,
    version_metadata,
)
from instageo.model.registry.manifest import Manifest, ModelSize, ModelVersion, RegisteredModel
from instageo.model.registry.names import LATEST, parse_name
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.registry import Registry, change_manifest
from instageo.model.registry.stac import ITEM, build_stac_item
from instageo.model.registry.version_numbers import next_version, parse_version
from instageo.model.runs.trained_run import TrainedRun
from instageo.stores.base import MissingFileError, child_url, split_url
from instageo.stores.download import upload_files
from instageo.stores.open import open_store

if TYPE_CHECKING:
    from semver import Version

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushRequest:
    """How to publish a run.

    Attributes:
        name: `model/size`.
        version: Version number; None for the next one.
        step: Part of the number that the next one counts up: major, minor or patch.
        aliases: Aliases to point to the version, in addition to `latest`.
        licence: An SPDX identifier; None for that of the model's newest version, if it has one.
        title: Name for readers, of a new model.
        description: Text for readers, of a new model.
        data_source: Sensor or data set, of a new model; by default the run's sensor.
        classes: Names of the classes; empty for those of the run or of the model.
        new: Whether to create the registry if it does not exist.
    """

    name: str
    version: str | None = None
    step: str = "minor"
    aliases: tuple[str, ...] = ()
    licence: str | None = None
    title: str = ""
    description: str = ""
    data_source: str = ""
    classes: tuple[str, ...] = ()
    new: bool = False


def push(folder: Path, url: str, request: PushRequest) -> tuple[RegisteredModel, ModelVersion]:
    """Publish a finished run.

    Args:
        folder: The run's folder, with checkpoint and `.hydra/config.yaml`.
        url: The registry's manifest.
        request: Name, version and descriptions.

    Returns:
        The model, and the version as published.

    Raises:
        RegistryError: The run is not finished, has no metrics, bands or names of classes, or differs in task, dates or
            classes from the model of that name; or the version exists already.
        StoreError: Files cannot be uploaded.
    """
    manifest, run = _read_manifest(url, new=request.new), read_publishable_run(folder)
    model, size = _find_model(run, manifest, request)
    existing = model.sizes.get(size)
    number = parse_version(request.version) if request.version else _next_number(existing, request.step)
    _check_number_is_free(existing, number, f"{model.key}/{size}", "already")
    licence = request.licence or _latest_licence(model)
    version = ModelVersion(number, "", checksum_run(run), version_metadata(run, licence))
    version = _upload(run.path.parent, url, model, size, version)

    def edit(values: dict[str, Any], newest: Manifest) -> None:
        published = newest.models[model.key].sizes.get(size) if model.key in newest.models else None
        _check_number_is_free(published, number, f"{model.key}/{size}", "by somebody else meanwhile")
        entry = values["models"].setdefault(model.key, _model_entry(model))
        was_unversioned = published is not None and published.versions[-1].number is None
        _add_version(entry["sizes"], size, version, request.aliases, was_unversioned=was_unversioned)

    change_manifest(url, edit, new=request.new)
    return model, version


def set_alias(url: str, name: str, alias: str, target: str) -> Registry:
    """Point an alias to a version.

    Args:
        url: The registry's manifest.
        name: `model/size`.
        alias: Such as `production`.
        target: A version number, its beginning, or another alias.

    Raises:
        RegistryError: The version does not exist, or the alias reads as a number.
    """

    def edit(values: dict[str, Any], newest: Manifest) -> None:
        requested = parse_name(name)
        model = newest.find_model(requested.model)
        size = model.find_size(requested.size)
        version = size.find_version(target)
        if version.number is None:
            raise RegistryError(f"{model.key}/{size.name} has no versions to point an alias to; push one first")
        entry = values["models"][model.key]["sizes"][size.name]
        entry.setdefault("aliases", {})[alias] = str(version.number)
        point_folder_to_latest(entry)

    return change_manifest(url, edit)


def point_folder_to_latest(entry: dict[str, Any]) -> None:
    """Set `gcs_folder` of a size, which programs without versions read, to the folder of its latest version."""
    latest = entry.get("aliases", {}).get(LATEST) or max(entry["versions"], key=parse_version)
    entry["gcs_folder"] = entry["versions"][latest]["folder"]


def _read_manifest(url: str, *, new: bool) -> Manifest:
    root, name = split_url(url)
    try:
        return parse_manifest(open_store(root).read(name).data, url)[0]
    except MissingFileError as error:
        if new:
            return Manifest(url, {})
        raise RegistryError(
            f"{url}: does not exist; check the address of the registry, or create one with --new"
        ) from error


def _find_model(run: TrainedRun, manifest: Manifest, request: PushRequest) -> tuple[RegisteredModel, str]:
    """Return the model to publish under, which exists in the manifest or is new, and the size."""
    name = parse_name(request.name)
    if name.size is None or name.version != LATEST:
        raise RegistryError(f"'{request.name}' names no model and size; expected model/size such as sen1floods11/tiny")
    existing = next((m for m in manifest.models.values() if name.model in (m.key, m.short_name)), None)
    new = RegisteredModel(
        key=name.model,
        short_name=name.model,
        task=run.task,
        title=request.title or name.model,
        description=request.description,
        classes=numbered_classes(run, request.classes, tuple(existing.classes.values() if existing else ())),
        data_source=request.data_source or str(run.settings["dataloader.sensor"] or ""),
        num_dates=run.settings["dataloader.temporal_dim"],
        sizes={},
    )
    if existing is None:
        return new, name.size
    for key, published, own in (
        ("model_type", existing.task, new.task),
        ("temporal_step", existing.num_dates, new.num_dates),
        ("the classes", list(existing.classes.values()), list(new.classes.values())),
    ):
        if published != own:
            raise RegistryError(
                f"{run.path.parent}: has {key} {own}, but {existing.key} in {manifest.url} has {published}; push it "
                "under another name"
            )
    return existing, name.size


def _latest_licence(model: RegisteredModel) -> str | None:
    """Return the licence of the newest version of a model, of whichever size; None, with a warning, without any."""
    versions = [version for size in model.sizes.values() for version in size.versions]
    licensed = [version for version in versions if version.metadata.get("licence")]
    if not licensed:
        log.warning(
            "%s: published without a licence, so that others do not know what they may do with it; --licence records "
            "one, as an SPDX identifier such as Apache-2.0 or CC-BY-4.0",
            model.key,
        )
        return None
    newest = max(licensed, key=lambda version: str(version.metadata.get("created", "")))
    licence = str(newest.metadata["licence"])
    log.info("licence: %s, as version %s of %s", licence, newest.number, model.key)
    return licence


def _next_number(size: ModelSize | None, part: str) -> "Version":
    newest = size.versions[-1].number if size else None
    return next_version(newest, part) if newest else parse_version("1.0.0")


def _check_number_is_free(size: ModelSize | None, number: "Version", name: str, when: str) -> None:
    if size and number in [version.number for version in size.versions]:
        raise RegistryError(
            f"{name} has a version {number} {when}, and versions never change; nothing was changed; push another number"
        )


def _upload(folder: Path, url: str, model: RegisteredModel, size: str, version: ModelVersion) -> ModelVersion:
    """Upload a version's files and its STAC Item to a new folder, whose name contains a hash of their content."""
    with tempfile.TemporaryDirectory() as temporary:
        item = Path(temporary) / ITEM
        item.write_text(json.dumps(build_stac_item(model, size, version), indent=2, ensure_ascii=False))
        files = {**version.files, ITEM: checksum_file(item)}
        digest = sha256("".join(f"{path} {checksum.sha256}\n" for path, checksum in sorted(files.items())).encode())
        relative = f"{model.key}/{size}/{version.number}-{digest.hexdigest()[:12]}"
        target = child_url(split_url(url)[0], relative)
        upload_files([(item if path == ITEM else folder / path, f"{target}/{path}") for path in files])
    return replace(version, folder=target if is_remote(target) else relative, files=files)


def _model_entry(model: RegisteredModel) -> dict[str, Any]:
    return {
        "model_type": model.task, "model_short_name": model.short_name, "model_name": model.title,
        "model_description": model.description, "classes_mapping": dict(model.classes),
        "data_source": model.data_source, "temporal_step": model.num_dates, "sizes": {},
    }  # fmt: skip


def _add_version(
    sizes: dict[str, Any], size: str, version: ModelVersion, aliases: tuple[str, ...], *, was_unversioned: bool
) -> None:
    """Add a version to the sizes of a model in a manifest's plain values."""
    num_params = version.metadata["num_params"]
    entry = sizes.setdefault(size, {"num_params": num_params, "gcs_folder": version.folder})
    if was_unversioned:
        entry["unversioned_folder"] = entry["gcs_folder"]  # where the model was before it had versions
    files = {path: {"size": checksum.size, "sha256": checksum.sha256} for path, checksum in version.files.items()}
    versions = entry.setdefault("versions", {})
    versions[str(version.number)] = {"folder": version.folder, "files": files, **version.metadata}
    is_latest = version.number == max(map(parse_version, versions))
    for alias in (*aliases, *([LATEST] if is_latest else [])):
        entry.setdefault("aliases", {})[alias] = str(version.number)
    point_folder_to_latest(entry)
