"""Parse a manifest; anything invalid is reported in one sentence that says where."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from instageo.errors import RegistryError
from instageo.model.registry.manifest import (
    FileChecksum,
    Manifest,
    ModelSize,
    ModelVersion,
    RegisteredModel,
    sort_versions,
)
from instageo.model.registry.published_paths import is_published_path
from instageo.model.registry.version_numbers import is_version_prefix, parse_version
from instageo.model.registry.yaml_io import load_yaml
from instageo.stores.base import StoreError, child_url

if TYPE_CHECKING:
    from semver import Version

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_manifest(data: bytes, url: str) -> tuple[Manifest, dict[str, Any]]:
    """Parse a manifest's YAML.

    Args:
        data: Its text in UTF-8.
        url: Where it was read; folders in it are relative to that location.

    Returns:
        The manifest, and the YAML's plain values, which can be edited and written again.

    Raises:
        RegistryError: The text is not a manifest; the message says where in it and what was expected.
    """
    try:
        values = dict(_check_mapping(load_yaml(data), "the file", "a mapping with the key models"))
        models = _check_mapping(values.get("models"), "models", "one entry per model")
        root = url.rpartition("/")[0] or "."
        parsed = {key: _parse_model(key, model, root) for key, model in models.items()}
        _check_unique_names(parsed)
    except (RegistryError, StoreError) as error:
        raise RegistryError(f"{url}: is not a manifest of models: {error}") from error
    return Manifest(url, parsed), values


def _parse_model(key: object, value: object, root: str) -> RegisteredModel:
    name = _check_name(key, "models")
    model = _check_mapping(value, name, "model_type, model_name, sizes, …")
    sizes = _check_mapping(model.get("sizes"), f"{name}.sizes", "one entry per size")
    if not sizes:
        raise RegistryError(f"{name}.sizes is empty; expected at least one size")
    num_dates = model.get("temporal_step", 1)
    if not isinstance(num_dates, int) or isinstance(num_dates, bool) or num_dates < 1:
        raise RegistryError(f"{name}.temporal_step is {num_dates!r}; expected a number of dates, 1 or more")
    return RegisteredModel(
        key=name,
        short_name=_check_text(model, "model_short_name", name) or name,
        task=_check_text(model, "model_type", name),
        title=_check_text(model, "model_name", name) or name,
        description=_check_text(model, "model_description", name),
        classes=_parse_classes(model.get("classes_mapping"), name),
        data_source=_check_text(model, "data_source", name),
        num_dates=num_dates,
        sizes={
            _check_name(size, f"{name}.sizes"): _parse_size(size, value, f"{name}.sizes.{size}", root)
            for size, value in sizes.items()
        },
    )


def _parse_size(name: str, value: object, where: str, root: str) -> ModelSize:
    size = _check_mapping(value, where, "num_params and gcs_folder")
    num_params = size.get("num_params", "")
    if not isinstance(num_params, str | int | float) or isinstance(num_params, bool):
        raise RegistryError(f"{where}.num_params is {num_params!r}; expected a number or text such as 3.7M")
    folder = size.get("gcs_folder")
    if not isinstance(folder, str) or not folder:
        raise RegistryError(f"{where}.gcs_folder is {folder!r}; expected the folder that holds the checkpoint")
    entries = _check_mapping(size.get("versions") or {}, f"{where}.versions", "one entry per version")
    numbered = sort_versions(_parse_version(key, entry, f"{where}.versions", root) for key, entry in entries.items())
    unversioned = ModelVersion(None, child_url(root, folder))
    aliases = _parse_aliases(size.get("aliases"), numbered, where)
    return ModelSize(name, str(num_params), numbered or (unversioned,), aliases)


def _parse_version(key: object, value: object, where: str, root: str) -> ModelVersion:
    number, where = parse_version(key), f"{where}.{key}"
    metadata = dict(_check_mapping(value, where, "folder and files"))
    folder = metadata.pop("folder", None)
    if not isinstance(folder, str) or not folder:
        raise RegistryError(f"{where}.folder is {folder!r}; expected the folder that holds the version's files")
    files = _check_mapping(metadata.pop("files", None), f"{where}.files", "size and sha256 of each file")
    if not files:
        raise RegistryError(f"{where}.files is empty; expected size and sha256 of each file")
    checksums = {
        _check_path(path, where): _parse_checksum(checksum, f"{where}.files.{path}") for path, checksum in files.items()
    }
    for name, export in _check_mapping(metadata.get("exports") or {}, f"{where}.exports", "one entry per file").items():
        _check_mapping(export, f"{where}.exports.{name}", "format and precision of each file")
    return ModelVersion(number, child_url(root, folder), checksums, metadata)


def _parse_checksum(value: object, where: str) -> FileChecksum:
    checksum = _check_mapping(value, where, "size and sha256")
    size, sha256 = checksum.get("size"), checksum.get("sha256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RegistryError(f"{where}.size is {size!r}; expected a number of bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise RegistryError(f"{where}.sha256 is {sha256!r}; expected 64 hexadecimal digits in lower case")
    return FileChecksum(size, sha256)


def _parse_aliases(value: object, versions: tuple[ModelVersion, ...], where: str) -> dict[str, "Version"]:
    aliases = {}
    for key, target in _check_mapping(value or {}, f"{where}.aliases", "a version number per name").items():
        alias = _check_name(key, f"{where}.aliases")
        if is_version_prefix(alias):
            raise RegistryError(f"{where}.aliases has '{alias}', which reads as a version number; expected a name")
        number = parse_version(target)
        if number not in [version.number for version in versions]:
            raise RegistryError(f"{where}.aliases.{alias} points to {number}, which is not among the versions")
        aliases[alias] = number
    return aliases


def _parse_classes(value: object, where: str) -> dict[int, str]:
    classes = _check_mapping(value or {}, f"{where}.classes_mapping", "a name per class")
    for key, name in classes.items():
        if not str(key).isdecimal() or not isinstance(name, str | int | float | bool):
            raise RegistryError(f"{where}.classes_mapping has {key!r}: {name!r}; expected a name per class number")
    return {int(key): str(name) for key, name in classes.items()}


def _check_path(value: object, where: str) -> str:
    """Return a path below a version's folder."""
    if not is_published_path(value):
        raise RegistryError(
            f"{where}.files has {value!r}; expected paths below the version's folder, without reserved names such as "
            ".lock or x.part"
        )
    return str(value)


def _check_name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RegistryError(f"{where} has the name {value!r}; expected letters, digits, '-', '_' and '.'")
    return value


def _check_text(values: Mapping[Any, Any], key: str, where: str) -> str:
    value = values.get(key, "")
    if isinstance(value, Mapping | list):
        raise RegistryError(f"{where}.{key} is a {type(value).__name__}; expected text")
    return "" if value is None else str(value)


def _check_mapping(value: object, where: str, expected: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        problem = "missing or empty" if value is None else f"a {type(value).__name__}"
        raise RegistryError(f"{where} is {problem}; expected a mapping: {expected}")
    return value


def _check_unique_names(models: Mapping[str, RegisteredModel]) -> None:
    keys: dict[str, str] = {}
    for model in models.values():
        for name in {model.key, model.short_name}:
            if name in keys:
                raise RegistryError(
                    f"{keys[name]} and {model.key} are both called '{name}'; expected a different name for each"
                )
            keys[name] = model.key
