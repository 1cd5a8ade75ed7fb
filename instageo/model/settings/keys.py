"""Look up settings by name and by role: list keys, check them, suggest the nearest, flatten nested values."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from instageo.model.settings.fields import Role
from instageo.model.settings.run_settings import Settings

MIN_SIMILARITY = 0.6
"""Similarity from which a setting is suggested for a misspelt key, from 0 to 1."""

SETTING_NAME = re.compile(r"\b(?:[a-z]+\.[a-z_]+|checkpoint_path)\b")


def iterate_settings(cls: type = Settings, prefix: str = "") -> Iterator[tuple[str, "Field[Any]"]]:
    """Yield key (`group.key`) and dataclass field of each group and setting, groups before their settings."""
    hints = get_type_hints(cls)
    for entry in fields(cls):
        yield prefix + entry.name, entry
        if is_dataclass(hints[entry.name]):
            yield from iterate_settings(hints[entry.name], f"{prefix}{entry.name}.")


@cache
def setting_keys() -> tuple[str, ...]:
    """Return all valid keys: `train`, `train.learning_rate`, … with the groups themselves."""
    return tuple(key for key, _ in iterate_settings())


@cache
def group_keys() -> frozenset[str]:
    """Return the keys that are groups of settings."""
    return frozenset(key.rpartition(".")[0] for key in setting_keys()) - {""}


def is_setting(key: str) -> bool:
    """Return whether a setting or group of that name exists."""
    return key in setting_keys()


def cut_advice(sentence: str) -> str:
    """Return a sentence without its parts that name settings, for readers who cannot change them; perhaps empty.

    Examples:
        >>> cut_advice("a.tif: has 2 layers, but dataloader.bands requests layer 5; correct dataloader.bands")
        'a.tif: has 2 layers'
    """
    clauses = map(_cut_before_setting, sentence.split("; "))
    return "; ".join(clause for clause in clauses if clause)


def _cut_before_setting(clause: str) -> str:
    """Return a clause up to the comma before the first setting in it; whole if it names none."""
    key = next((match for match in SETTING_NAME.finditer(clause) if is_setting(match[0])), None)
    return clause if key is None else clause[: key.start()].rpartition(", ")[0]


def unknown_key_message(key: str) -> str:
    """Return the sentence for a key that does not exist: the nearest valid key, or what its group holds."""
    groups = [name for name in setting_keys() if name in group_keys()]
    leaves = [name for name in setting_keys() if name not in group_keys()]
    group, _, last = key.rpartition(".")
    nearest = max(leaves, key=lambda name: _similarity(last, name) + 0.1 * name.startswith(f"{group}."))
    if _similarity(last, nearest) >= MIN_SIMILARITY:
        return f"unknown setting '{key}'; did you mean {nearest}?"
    members = [name.rpartition(".")[2] for name in leaves if group and name.rpartition(".")[0] == group]
    top = [name for name in groups if "." not in name]
    hint = f"{group} has {', '.join(members)}" if members else f"the groups are {', '.join(top)}"
    return f"unknown setting '{key}'; {hint}"


def _similarity(word: str, key: str) -> float:
    """Return the similarity of a word to the last part of a key, or to one of the words of that part: 0 to 1."""
    name = key.rpartition(".")[2]
    words = name.split("_")
    if word in (name, "".join(each[0] for each in words)) or name.endswith(f"_{word}"):
        return 1.0
    ratios = [difflib.SequenceMatcher(None, word, each).ratio() for each in (name, *words)]
    return max(ratios[0], 0.95 * max(ratios[1:]))


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as `group.key: value`; a setting whose value is a mapping stays whole."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and (name in group_keys() or not is_setting(name)):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


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
    renamed = {f"{key.rpartition('.')[0]}.{former}".lstrip("."): key for key, former in named.items() if former}
    return renamed | former_keys()


@cache
def former_keys() -> dict[str, str]:
    """Return the present key of each setting that has moved between groups, by its former key."""
    return {entry.metadata["former_key"]: key for key, entry in iterate_settings() if entry.metadata.get("former_key")}


def with_current_names(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings (`group.key: value`) with keys of earlier versions under their present names."""
    former = _former_names()
    return {former.get(key, key): value for key, value in stored.items()}
