"""Arguments of the module commands: `--flag=value`, with `_` or `-`, and with former names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any

import typer

from instageo.data.command_line.option import options_of
from instageo.data.command_line.settings_command import is_flag
from instageo.errors import ConfigError

TRUE, FALSE = ("true", "t", "1", "yes"), ("false", "f", "0", "no")


@dataclass(frozen=True)
class FormerFlags:
    """Flags of a module command that are no options of today's command.

    Attributes:
        defaults: Arguments that stand before those of the user, where former defaults differ.
        switches: Today's argument for a switch that is on or off, by the former name of the switch.
        without_effect: Why a flag changes nothing, by its former name.
        switches_without_effect: Those of `without_effect` that take no value.
    """

    defaults: tuple[str, ...] = ()
    switches: Mapping[str, Callable[[bool], str]] = field(default_factory=dict)
    without_effect: Mapping[str, str] = field(default_factory=dict)
    switches_without_effect: tuple[str, ...] = ()


def modern_arguments(settings_type: Any, arguments: Sequence[str], former: FormerFlags) -> list[str]:
    """Return the arguments of today's command for those of a module command.

    Flags may be written `--flag`, `--noflag` or `--flag=true`. Notes on flags without effect go to stderr.

    Raises:
        ConfigError: A flag has a value that is not known.
    """
    options = options_of(settings_type)
    entries = {entry.name: entry for entry in options}
    entries |= {entry.metadata["former"]: entry for entry in options if entry.metadata["former"]}
    flags = {name for name, entry in entries.items() if is_flag(entry)}
    valueless = {"help", *flags, *former.switches, *former.switches_without_effect}
    result: list[str] = []
    for argument in _joined(arguments, valueless):
        name, separator, value = argument.partition("=")
        option, name = name, name[2:].replace("-", "_")
        if not option.startswith("--"):
            result.append(argument)
        elif name in former.switches:
            result.append(former.switches[name](_is_true(option, value or "true")))
        elif name in former.without_effect:
            typer.echo(f"note: {option}: {former.without_effect[name]}", err=True)
        elif name in entries:
            result.append(_modern(entries[name], option, value, separator))
        elif (plain := name.removeprefix("no").removeprefix("_")) in flags and not separator:
            result.append(f"--no-{_dashed(entries[plain].name)}")
        else:
            result.append(f"--{_dashed(name)}{separator}{value}")
    return result


def _modern(entry: Field[Any], option: str, value: str, separator: str) -> str:
    """Return today's argument for a flag of a field."""
    if entry.metadata["is_argument"]:
        return value
    if is_flag(entry):
        return f"--{'' if _is_true(option, value or 'true') else 'no-'}{_dashed(entry.name)}"
    return f"--{_dashed(entry.name)}{separator}{value}"


def _joined(arguments: Sequence[str], valueless: set[str]) -> list[str]:
    """Join `--option value` to `--option=value`."""
    result: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name = argument[2:].replace("-", "_")
        takes_value = name not in valueless and name.removeprefix("no").removeprefix("_") not in valueless
        if argument.startswith("--") and "=" not in argument and rest and takes_value and not rest[0].startswith("--"):
            argument += f"={rest.pop(0)}"
        result.append(argument)
    return result


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _is_true(option: str, value: str) -> bool:
    if value.lower() not in (*TRUE, *FALSE):
        raise ConfigError(f"{option}={value} does not work; expected true or false")
    return value.lower() in TRUE
