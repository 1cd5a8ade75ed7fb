"""A manifest from YAML to values; what does not belong there is told in one sentence."""

import re
from collections.abc import Mapping
from typing import Any

from instageo.errors import RegistryError
from instageo.model.registry.manifest import (
    FileChecksum,
    Manifest,
    ModelSize,
    ModelVersion,
    RegisteredModel,
    sort_versions,
)
from instageo.model.registry.versions import SemVer, is_version_prefix, parse_version
from instageo.model.registry.yaml_io import load_yaml
from instageo.stores.base import StoreError, child_url

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_manifest(data: bytes, url: str) -> tuple[Manifest, dict[str, Any]]:
    """A manifest, as values and as plain YAML values to change and write again.

    Args:
        data: Its text in UTF-8.
        url: Where it was read: folders in it are relative to that place.

    Raises:
        RegistryError: It is no manifest; the message says where in it and what was expected.
    """
    try:
        plain = dict(_mapping(load_yaml(data), "the file", "a mapping with the key models"))
        models = _mapping(plain.get("models"), "models", "one entry per model")
        parsed = {key: _model(key, value, url.rpartition("/")[0] or ".") for key, value in models.items()}
        _refuse_twice(parsed)
    except (RegistryError, StoreError) as error:
        raise RegistryError(f"{url}: is no manifest of models: {error}") from error
    return Manifest(url, parsed), plain


def _model(key: object, value: object, root: str) -> RegisteredModel:
    where = _name(key, "models")
    told = _mapping(value, where, "model_type, model_name, sizes, …")
    sizes = _mapping(told.get("sizes"), f"{where}.sizes", "one entry per size")
    if not sizes:
        raise RegistryError(f"{where}.sizes is empty; expected at least one size")
    steps = told.get("temporal_step", 1)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise RegistryError(f"{where}.temporal_step is {steps!r}; expected a number of dates, 1 or more")
    kind, name, description, source = (
        _text(told, key, where) for key in ("model_type", "model_name", "model_description", "data_source")
    )
    short, classes = _text(told, "model_short_name", where) or where, _classes(told.get("classes_mapping"), where)
    own = {
        _name(size, f"{where}.sizes"): _size(size, value, f"{where}.sizes.{size}", root)
        for size, value in sizes.items()
    }
    return RegisteredModel(where, short, kind, name or where, description, classes, source, steps, own)


def _size(name: str, value: object, where: str, root: str) -> ModelSize:
    told = _mapping(value, where, "num_params and gcs_folder")
    params = told.get("num_params", "")
    if not isinstance(params, str | int | float) or isinstance(params, bool):
        raise RegistryError(f"{where}.num_params is {params!r}; expected a number or text such as 3.7M")
    folder = told.get("gcs_folder")
    if not isinstance(folder, str) or not folder:
        raise RegistryError(f"{where}.gcs_folder is {folder!r}; expected the folder that holds the checkpoint")
    listed = _mapping(told.get("versions") or {}, f"{where}.versions", "one entry per version")
    versions = sort_versions(_version(number, version, f"{where}.versions", root) for number, version in listed.items())
    plain = ModelVersion(None, child_url(root, folder))
    return ModelSize(name, str(params), versions or (plain,), _aliases(told.get("aliases"), versions, where))


def _version(key: object, value: object, where: str, root: str) -> ModelVersion:
    own, where = parse_version(key), f"{where}.{key}"
    told = dict(_mapping(value, where, "folder and files"))
    folder = told.pop("folder", None)
    if not isinstance(folder, str) or not folder:
        raise RegistryError(f"{where}.folder is {folder!r}; expected the folder that holds the version's files")
    files = _mapping(told.pop("files", None), f"{where}.files", "size and sha256 of each file")
    if not files:
        raise RegistryError(f"{where}.files is empty; expected size and sha256 of each file")
    return ModelVersion(
        own, child_url(root, folder), {_path(p, where): _proof(f, f"{where}.files.{p}") for p, f in files.items()}, told
    )


def _proof(value: object, where: str) -> FileChecksum:
    told = _mapping(value, where, "size and sha256")
    size, digest = told.get("size"), told.get("sha256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RegistryError(f"{where}.size is {size!r}; expected a number of bytes")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise RegistryError(f"{where}.sha256 is {digest!r}; expected 64 hexadecimal digits in small letters")
    return FileChecksum(size, digest)


def _aliases(value: object, versions: tuple[ModelVersion, ...], where: str) -> dict[str, SemVer]:
    aliases = {}
    for name, wanted in _mapping(value or {}, f"{where}.aliases", "a version number per name").items():
        text = _name(name, f"{where}.aliases")
        if is_version_prefix(text):
            raise RegistryError(f"{where}.aliases has '{text}', which reads as a version number; expected a name")
        own = parse_version(wanted)
        if own not in [version.number for version in versions]:
            raise RegistryError(f"{where}.aliases.{text} points to {own}, which is not among the versions")
        aliases[text] = own
    return aliases


def _classes(value: object, where: str) -> dict[int, str]:
    classes = _mapping(value or {}, f"{where}.classes_mapping", "a name per class")
    for key, name in classes.items():
        if not str(key).isdigit() or not isinstance(name, str | int | float | bool):
            raise RegistryError(f"{where}.classes_mapping has {key!r}: {name!r}; expected a name per class number")
    return {int(key): str(name) for key, name in classes.items()}


def _path(value: object, where: str) -> str:
    """A path below a folder, which no file's path may leave."""
    child_url("gs://bucket", str(value))
    if not isinstance(value, str) or not value or "://" in value:
        raise RegistryError(f"{where}.files has {value!r}; expected paths below the version's folder")
    return value


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RegistryError(f"{where} has the name {value!r}; expected letters, digits, '-', '_' and '.'")
    return value


def _text(told: Mapping[Any, Any], key: str, where: str) -> str:
    value = told.get(key, "")
    if isinstance(value, Mapping | list):
        raise RegistryError(f"{where}.{key} is a {type(value).__name__}; expected text")
    return "" if value is None else str(value)


def _mapping(value: object, where: str, expected: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        found = "missing or empty" if value is None else f"a {type(value).__name__}"
        raise RegistryError(f"{where} is {found}; expected a mapping: {expected}")
    return value


def _refuse_twice(models: Mapping[str, RegisteredModel]) -> None:
    names: dict[str, str] = {}
    for model in models.values():
        for name in {model.key, model.short_name}:
            if name in names:
                raise RegistryError(f"{names[name]} and {model.key} are both called '{name}'; expected a name for each")
            names[name] = model.key
