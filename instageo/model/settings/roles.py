"""Look up settings by what they mean to checkpoints, resumed runs, maps and comparisons; see `fields.Role`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from instageo.model.settings.fields import Role
from instageo.model.settings.keys import group_keys, iterate_settings


@cache
def keys_with(role: Role) -> tuple[str, ...]:
    """Return the keys of all settings that have a role themselves or through their group."""
    roles: dict[str, frozenset[Role]] = {}
    for key, entry in iterate_settings():
        roles[key] = entry.metadata.get("roles", frozenset()) | roles.get(key.rpartition(".")[0], frozenset())
    return tuple(key for key, own in roles.items() if role in own and key not in group_keys())


@cache
def values_before_they_existed() -> dict[str, Any]:
    """Return the values of settings, by key, for checkpoints that were written before these settings existed."""
    given = "before_it_existed"
    return {key: entry.metadata[given] for key, entry in iterate_settings() if given in entry.metadata}


@cache
def _former_names() -> dict[str, str]:
    named = {key: entry.metadata.get("former_name") for key, entry in iterate_settings()}
    return {f"{key.rpartition('.')[0]}.{former}".lstrip("."): key for key, former in named.items() if former}


def with_current_names(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings (`group.key: value`) with keys of earlier versions under their present names."""
    former = _former_names()
    return {former.get(key, key): value for key, value in stored.items()}
