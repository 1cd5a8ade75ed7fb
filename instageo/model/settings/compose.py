"""Turn configuration files and overrides into typed settings; the only module that uses OmegaConf."""

import re
import typing
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass, make_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError, safe_load

from instageo.errors import ConfigError, did_you_mean
from instageo.model.settings.keys import flatten, is_setting, unknown_key_message, with_current_names
from instageo.model.settings.run_settings import Settings
from instageo.plain_values import MAX_VALUES, UnboundedTextError, check_text, count_values

ComposedConfig = DictConfig
"""A configuration as Hydra composes it."""

OVERRIDE_ERRORS = (OmegaConfBaseException, YAMLError)
"""Errors that a mistyped key, value or file raises while a configuration is composed."""

CONFIGS = Path(__file__).parent.parent / "configs"
"""Folder of the shipped YAML files."""


def settings_from_config(config: DictConfig) -> Settings:
    """Return typed settings for a composed configuration.

    Raises:
        ConfigError: A value is out of its range, or two contradict each other.
    """
    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(describe_error(error)) from error
    if not isinstance(settings, Settings):
        raise ConfigError(
            f"the configuration is a {type(settings).__name__}; begin it with 'defaults: [config, _self_]'"
        )
    return settings


def update_config(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Return a copy of a composed configuration with some values, `group.key: value`, replaced."""
    updated = deepcopy(config)
    for key, value in values.items():
        OmegaConf.update(updated, key, value)
    return updated


def update_settings(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return a copy of settings with some values replaced, checked again.

    Raises:
        ConfigError: A value does not fit.
    """
    config = OmegaConf.structured(_part_with(values, settings))  # all settings would take fifty times as long
    try:
        for key, value in values.items():
            OmegaConf.update(config, key, value)
        part = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(describe_error(error)) from error
    return typing.cast(Settings, _replace_part(settings, part))


def _part_with(keys: Iterable[str], whole: Any) -> Any:
    """Return the fields of a dataclass that keys name, groups likewise, as a dataclass with their types and values."""
    by_name: dict[str, list[str]] = {}
    for key in keys:
        name, _, below = key.partition(".")
        by_name.setdefault(name, []).append(below)
    values, groups = {}, {}
    for entry in fields(whole):
        below_entry, value = by_name.get(entry.name, []), getattr(whole, entry.name)
        if below_entry and all(below_entry) and is_dataclass(value):
            value = _part_with(below_entry, value)
            groups[entry.name] = type(value)
        if below_entry:
            values[entry.name] = value
    return _class_of_part(whole.__class__, tuple(values), tuple(groups.items()))(**values)


@cache
def _class_of_part(whole: type, names: tuple[str, ...], groups: tuple[tuple[str, type], ...]) -> type:
    types = typing.get_type_hints(whole) | dict(groups)
    return make_dataclass(whole.__name__, [(name, types[name]) for name in names])


def _replace_part(whole: Any, part: Any) -> Any:
    """Return a copy of a dataclass with the values of a part of it (`_part_with`)."""
    values = {entry.name: getattr(part, entry.name) for entry in fields(part)}
    for name, value in values.items():
        before = getattr(whole, name)
        if is_dataclass(before) and type(value) is not type(before):
            values[name] = _replace_part(before, value)
    return replace(whole, **values)


def explicit_keys(settings: Settings, overrides: Iterable[str]) -> frozenset[str]:
    """Return the keys that the user set: those on the command line, and those that differ from `config.yaml`."""
    named = {override.lstrip("+~").partition("=")[0] for override in overrides}
    shipped = flatten(settings_to_dict(default_settings()))
    changed = {key for key, value in flatten(settings_to_dict(settings)).items() if value != shipped[key]}
    return frozenset(named | changed)


def default_settings() -> Settings:
    """Return the settings of the shipped `config.yaml`."""
    return deepcopy(_shipped())


@cache
def _shipped() -> Settings:
    config = typing.cast(DictConfig, OmegaConf.load(CONFIGS / "config.yaml"))
    for foreign in ("defaults", "hydra"):
        config.pop(foreign, None)
    return settings_from_config(typing.cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Settings), config)))


def describe_error(error: BaseException) -> str:
    """Return one sentence for an error of OmegaConf or Hydra, with the nearest valid key for an unknown one."""
    named = re.search(r"full_key: (\S+)", str(error))
    key = re.sub(r"\[\d+\]$", "", named[1] if named else getattr(error, "full_key", None) or "")
    lines = [line.strip() for line in str(error).splitlines() if not line.rstrip().endswith(":")]
    reason = (lines or [""])[0].rstrip(".")
    if key and not is_setting(key) and not key.startswith("hydra."):
        return unknown_key_message(key)
    choice = re.search(r"Invalid value '(.*)', expected one of \[(.*)\]", reason)
    if choice:
        reason += did_you_mean(choice[1], choice[2].split(", "))
    return f"{key}: {reason}" if key and key not in reason else reason


def settings_to_dict(settings: Settings) -> dict[str, Any]:
    """Return settings as nested dictionaries, lists, numbers and text."""
    return typing.cast(dict[str, Any], _plain(settings))


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.name if isinstance(value, Enum) else value


def add_resolver(name: str, function: Callable[[str], str]) -> None:
    """Let configurations call a function as `${name:argument}`."""
    OmegaConf.register_new_resolver(name, function, replace=True)


def config_to_yaml(config: Any) -> str:
    """Return a configuration as YAML, without resolving references in it."""
    return OmegaConf.to_yaml(config)


def settings_to_yaml(settings: Settings) -> str:
    """Return settings as the YAML that Hydra writes of a run's configuration."""
    return OmegaConf.to_yaml(OmegaConf.structured(settings))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file as `group.key: value`, whatever keys it has; former names become current ones.

    Raises:
        ConfigError: It is not readable as YAML with keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
        check_text(text)
        if "&" in text and count_values(safe_load(text)) > MAX_VALUES:  # OmegaConf writes out what aliases repeat
            raise UnboundedTextError(f"its aliases (*name) repeat more than {MAX_VALUES} values")
        content = OmegaConf.create(text)
    except (OSError, *OVERRIDE_ERRORS, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as a configuration ({error})") from error
    if isinstance(content, ListConfig):
        raise ConfigError(f"{path}: holds a list; expected settings by name")
    plain = OmegaConf.to_container(content, resolve=False)
    return with_current_names(flatten(typing.cast(dict[str, Any], plain)))


def first_difference(
    settings: Settings, stored: Mapping[str, object], ignoring: Iterable[str]
) -> tuple[str, object, object] | None:
    """Return the first setting in which a stored configuration differs: key, stored value, present value."""
    for key, value in flatten(settings_to_dict(settings)).items():
        if key not in set(ignoring) and stored.get(key, value) != value:
            return key, stored[key], value
    return None
