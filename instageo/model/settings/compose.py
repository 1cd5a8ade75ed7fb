"""Configuration files and overrides, to typed settings; the only module that uses OmegaConf."""

import difflib
import functools
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from instageo.errors import ConfigError
from instageo.model.settings import Settings

ComposedConfig = DictConfig
"""A configuration as Hydra composes it."""

OVERRIDE_ERRORS = (OmegaConfBaseException, YAMLError)
"""What a mistyped key, value or file raises while a configuration is composed."""

CONFIGS = Path(__file__).parent.parent / "configs"
"""Folder of the shipped YAML files."""


def settings_from_config(config: DictConfig) -> Settings:
    """Typed settings of a composed configuration.

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


def update_settings(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with some values replaced, checked anew.

    Raises:
        ConfigError: A value does not fit.
    """
    config = OmegaConf.structured(settings)
    try:
        for key, value in values.items():
            OmegaConf.update(config, key, value)
    except OmegaConfBaseException as error:
        raise ConfigError(describe_error(error)) from error
    return settings_from_config(config)


def explicit_keys(settings: Settings, overrides: Iterable[str]) -> frozenset[str]:
    """Keys that the user set: named on the command line, or other than the shipped `config.yaml` says."""
    named = {override.lstrip("+~").partition("=")[0] for override in overrides}
    shipped = flatten(settings_to_dict(settings_from_config(default_config())))
    changed = {key for key, value in flatten(settings_to_dict(settings)).items() if value != shipped[key]}
    return frozenset(named | changed)


def default_config() -> DictConfig:
    """The default configuration, without Hydra's own part."""
    config = typing.cast(DictConfig, OmegaConf.load(CONFIGS / "config.yaml"))
    for foreign in ("defaults", "hydra"):
        config.pop(foreign, None)
    return typing.cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Settings), config))


def describe_error(error: BaseException) -> str:
    """One sentence on an error of OmegaConf or Hydra, with the nearest valid key for an unknown one."""
    named = re.search(r"full_key: (\S+)", str(error))
    key = re.sub(r"\[\d+\]$", "", named[1] if named else getattr(error, "full_key", None) or "")
    lines = [line.strip() for line in str(error).splitlines() if not line.rstrip().endswith(":")]
    reason = (lines or [""])[0].rstrip(".")
    if key and not is_setting(key) and not key.startswith("hydra."):
        return unknown_key_message(key)
    return f"{key}: {reason}" if key and key not in reason else reason


def setting_keys(cls: type = Settings, prefix: str = "") -> Iterator[str]:
    """All valid keys: `train`, `train.learning_rate`, … with the groups themselves."""
    hints = typing.get_type_hints(cls)
    for entry in fields(cls):
        yield prefix + entry.name
        if is_dataclass(hints[entry.name]):
            yield from setting_keys(typing.cast(type, hints[entry.name]), f"{prefix}{entry.name}.")


def is_setting(key: str) -> bool:
    """Whether a setting of that name exists."""
    return key in set(setting_keys())


def unknown_key_message(key: str) -> str:
    """The sentence for a key that does not exist: the nearest valid one, or what its group holds."""
    groups = _groups()
    leaves = [name for name in setting_keys() if name not in groups]
    group, _, last = key.rpartition(".")
    names = {name: name.rpartition(".")[2] for name in sorted(leaves, key=lambda name: not name.startswith(group))}
    like = difflib.get_close_matches(last, names.values(), n=1, cutoff=0.6)
    near = [
        name
        for name, short in names.items()
        if last in (short, _initials(short)) or short.endswith(f"_{last}") or short in like
    ]
    if near:
        return f"unknown setting '{key}'; did you mean {near[0]}?"
    held = [name.rpartition(".")[2] for name in leaves if group and name.rpartition(".")[0] == group]
    top = [name for name in groups if "." not in name]
    hint = f"{group} has {', '.join(held)}" if held else f"the groups are {', '.join(top)}"
    return f"unknown setting '{key}'; {hint}"


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split("_"))


def _groups() -> list[str]:
    return [name for name in setting_keys() if any(other.startswith(f"{name}.") for other in setting_keys())]


@functools.cache
def _leaves() -> frozenset[str]:
    """Keys that are settings, not groups of them."""
    names = frozenset(setting_keys())
    return names - {name.rpartition(".")[0] for name in names}


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `group.key: value`; what is one setting stays whole, also if its value is a mapping."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in _leaves():
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + str(key)] = value
    return flat


def settings_to_dict(settings: Settings) -> dict[str, Any]:
    """Settings as nested dictionaries, lists, numbers and text."""
    content = OmegaConf.to_container(OmegaConf.structured(settings), enum_to_str=True)
    return typing.cast(dict[str, Any], content)


def read_yaml(path: Path) -> dict[str, Any]:
    """A configuration file as `group.key: value`, whatever keys it has.

    Raises:
        ConfigError: It is not readable as YAML with keys.
    """
    try:
        content = OmegaConf.load(path)
    except (OSError, *OVERRIDE_ERRORS, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a configuration ({error})") from error
    if isinstance(content, ListConfig):
        raise ConfigError(f"{path}: holds a list; expected settings by name")
    plain = OmegaConf.to_container(content, resolve=False)
    return flatten(typing.cast(dict[str, Any], plain))


def first_difference(
    settings: Settings, stored: Mapping[str, object], ignoring: Iterable[str]
) -> tuple[str, object, object] | None:
    """The first setting in which a stored configuration differs: its key, the stored value and ours."""
    for key, value in flatten(settings_to_dict(settings)).items():
        if key not in set(ignoring) and stored.get(key, value) != value:
            return key, stored[key], value
    return None
