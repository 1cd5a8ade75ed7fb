"""A finished run into a registry: its files first, then its name, at once for everybody."""

import json
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.locations import is_remote
from instageo.model.runs.trained_run import FinishedRun, read_finished_run, checksum_file
from instageo.model.registry.manifest import LATEST, Manifest, RegisteredModel, ModelSize, ModelVersion
from instageo.model.registry.names import parse_name
from instageo.model.registry.versions import SemVer, parse_version
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.registry import Registry, change_manifest
from instageo.model.registry.stac import ITEM, stac_item
from instageo.stores.base import MissingFileError, child_url, split_url
from instageo.stores.open import open_store
from instageo.stores.download import upload_files


@dataclass(frozen=True)
class PushRequest:
    """What the user says of a version.

    Attributes:
        name: `model/size`.
        version: Its number; None for the next one.
        step: What the next one counts up: major, minor or patch.
        aliases: Names that shall point to it, beside `latest`.
        licence: An SPDX identifier.
        title: The model's name for people; for a new model.
        description: For people; for a new model.
        data_source: For a new model.
        classes: Names of the classes; empty for those of the run or of the model.
        new: Whether to begin a registry where there is none.
    """

    name: str
    version: str | None = None
    step: str = "minor"
    aliases: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    title: str = ""
    description: str = ""
    data_source: str = ""
    classes: tuple[str, ...] = ()
    new: bool = False


def push(folder: Path, url: str, wish: PushRequest) -> tuple[RegisteredModel, ModelVersion]:
    """Publish a finished run.

    Args:
        folder: Its directory, with checkpoint and `.hydra/config.yaml`.
        url: Of the registry's manifest.
        wish: What to call it.

    Returns:
        The model, and the version as it was published.

    Raises:
        RegistryError: The run has no metrics, bands or classes, is another kind of model than the one of that name, or
            the version is there already.
        StoreError: Files cannot be sent.
    """
    manifest, run = _manifest(url, new=wish.new), read_finished_run(folder)
    model, size = _place(run, manifest, wish)
    known = model.sizes.get(size)
    own = parse_version(wish.version) if wish.version else _next(known, wish.step)
    _refuse_taken(known, own, f"{model.key}/{size}", "already")
    version = _sent(run, url, model, size, ModelVersion(own, "", run.proofs(), run.facts(wish.licence)))
    change_manifest(url, lambda plain, newest: _enter(plain, newest, model, size, version, wish), new=wish.new)
    return model, version


def _sent(run: FinishedRun, url: str, model: RegisteredModel, size: str, version: ModelVersion) -> ModelVersion:
    """Send the files, with an Item that tells of them, to a folder that their content names."""
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / ITEM
        card.write_text(json.dumps(stac_item(model, size, version), indent=2, ensure_ascii=False))
        files = {**version.files, ITEM: checksum_file(card)}
        digest = sha256("".join(f"{path} {proof.sha256}\n" for path, proof in sorted(files.items())).encode())
        relative = f"{model.key}/{size}/{version.number}-{digest.hexdigest()[:12]}"
        target = child_url(split_url(url)[0], relative)
        upload_files([(card if path == ITEM else run.folder / path, f"{target}/{path}") for path in files])
    return replace(version, folder=target if is_remote(target) else relative, files=files)


def _manifest(url: str, *, new: bool) -> Manifest:
    place, name = split_url(url)
    try:
        return parse_manifest(open_store(place).read(name).data, url)[0]
    except MissingFileError as error:
        if new:
            return Manifest(url, {})
        raise RegistryError(f"{url}: there is no registry; check the address, or begin one with --new") from error


def _place(run: FinishedRun, manifest: Manifest, wish: PushRequest) -> tuple[RegisteredModel, str]:
    """The model of that name, as it is or new, and the size."""
    name = parse_name(wish.name)
    if name.size is None or name.version != LATEST:
        raise RegistryError(f"'{wish.name}' names no model and size; expected model/size such as sen1floods11/tiny")
    known = next((m for m in manifest.models.values() if name.model in (m.key, m.short_name)), None)
    classes = run.classes(wish.classes or tuple(known.classes.values() if known else ()))
    data = run.settings.dataloader
    new = RegisteredModel(
        name.model, name.model, run.kind, wish.title or name.model, wish.description, classes,
        wish.data_source or str(data.sensor or ""), data.temporal_dim, {},
    )  # fmt: skip
    if known is not None:
        _refuse_another(run, known, new, manifest.url)
    return known or new, name.size


def _refuse_another(run: FinishedRun, known: RegisteredModel, new: RegisteredModel, url: str) -> None:
    for what, theirs, ours in (
        ("model_type", known.kind, new.kind),
        ("temporal_step", known.temporal_step, new.temporal_step),
        ("number of classes", len(known.classes), len(new.classes)),
    ):
        if theirs != ours:
            raise RegistryError(
                f"{run.folder}: has {what} {ours}, but {known.key} in {url} has {theirs}; push it under another name"
            )


def _refuse_taken(size: ModelSize | None, own: SemVer, name: str, when: str) -> None:
    if size and own in [version.number for version in size.versions]:
        raise RegistryError(
            f"{name} has a version {own} {when}, and versions never change; nothing was changed; push another number"
        )


def _next(size: ModelSize | None, step: str) -> SemVer:
    newest = size.versions[-1].number if size else None
    return newest.next(step) if newest else SemVer(1, 0, 0)


def _enter(plain: dict[str, Any], newest: Manifest, model: RegisteredModel, size: str, version: ModelVersion, wish: PushRequest) -> None:
    """Put a version into a manifest's plain values; refused where somebody else took its number meanwhile."""
    known = newest.models[model.key].sizes.get(size) if model.key in newest.models else None
    if version.number:
        _refuse_taken(known, version.number, f"{model.key}/{size}", "by somebody else meanwhile")
    entry = plain["models"].setdefault(model.key, _model_entry(model))
    place = entry["sizes"].setdefault(size, {"num_params": version.facts["num_params"], "gcs_folder": version.folder})
    if known and known.versions[-1].number is None:
        place["unversioned_folder"] = place["gcs_folder"]  # where the model lay before it had versions
    files = {path: {"size": proof.size, "sha256": proof.sha256} for path, proof in version.files.items()}
    place.setdefault("versions", {})[str(version.number)] = {"folder": version.folder, "files": files, **version.facts}
    aliases = place.setdefault("aliases", {})
    numbers = [parse_version(text) for text in place["versions"]]
    for alias in (*wish.aliases, *([LATEST] if version.number == max(numbers) else [])):
        aliases[alias] = str(version.number)
    point_folder_to_latest(place)


def _model_entry(model: RegisteredModel) -> dict[str, Any]:
    return {
        "model_type": model.kind, "model_short_name": model.short_name, "model_name": model.name,
        "model_description": model.description, "classes_mapping": dict(model.classes),
        "data_source": model.data_source, "temporal_step": model.temporal_step, "sizes": {},
    }  # fmt: skip


def point_folder_to_latest(place: dict[str, Any]) -> None:
    """Let `gcs_folder`, which older programs read, be that of the latest version."""
    newest = place.get("aliases", {}).get(LATEST) or max(place["versions"], key=parse_version)
    place["gcs_folder"] = place["versions"][newest]["folder"]


def set_alias(url: str, name: str, alias: str, target: str) -> Registry:
    """Let an alias point to a version.

    Args:
        url: Of the registry's manifest.
        name: `model/size`.
        alias: `production`, for instance.
        target: A version number, its beginning, or another alias.

    Raises:
        RegistryError: There is no such version, or the alias reads as a number.
    """

    def edit(plain: dict[str, Any], newest: Manifest) -> None:
        asked = parse_name(name)
        model = newest.model(asked.model)
        size = model.size(asked.size)
        version = size.find(target)
        if version.number is None:
            raise RegistryError(
                f"{model.key}/{size.name} has no versions, so that nothing can point to one; push one first"
            )
        place = plain["models"][model.key]["sizes"][size.name]
        place.setdefault("aliases", {})[alias] = str(version.number)
        point_folder_to_latest(place)

    return change_manifest(url, edit)
