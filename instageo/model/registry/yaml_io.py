"""YAML of plain values: no objects are made from it, and no key stands twice."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from instageo.errors import MissingExtraError, RegistryError

LARGEST = 16 << 20
"""Bytes of a manifest; more is none."""


def load_yaml(data: bytes) -> Any:
    """What YAML in UTF-8 says.

    Raises:
        RegistryError: It is none, or too large for a manifest.
    """
    if len(data) > LARGEST:
        raise RegistryError(f"it has {len(data)} bytes; expected at most {LARGEST}")
    yaml, loader = _yaml(), _loader()
    try:
        return yaml.load(data.decode("utf-8"), loader)
    except UnicodeDecodeError as error:
        raise RegistryError(f"byte {error.start} is no UTF-8; expected YAML text") from error
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise RegistryError(f"it is no YAML: {' '.join(str(error).split())[:200]}") from error


def dump_yaml(plain: Mapping[str, Any]) -> bytes:
    """YAML in UTF-8, keys in their order."""
    text: str = _yaml().safe_dump(dict(plain), sort_keys=False, allow_unicode=True, width=120)
    return text.encode("utf-8")


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(
            f"a model registry needs the package {error.name}; install the extra: "
            "pip install 'instageo-model[registry]'"
        ) from error
    return yaml


@cache
def _loader() -> Any:
    yaml = _yaml()
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
    return loader


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise RegistryError(f"'{key}' stands twice (line {key_node.start_mark.line + 1}); expected each key once")
        found[key] = loader.construct_object(value_node, deep=True)
    return found
