"""Command-line options made from the fields of `ChipSettings`."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from instageo.data.chip_settings import ChipSettings
from instageo.errors import ConfigError

LISTS = (tuple[str, ...],)
"""Types of fields that are written with commas between their parts."""


def chip_command(
    run: Callable[[ChipSettings], int], description: str, *, input_name: str, input_help: str
) -> Callable[..., None]:
    """Return a function for Typer whose parameters are the fields of `ChipSettings`.

    Args:
        run: Does the work and returns the exit status.
        description: Text for `--help`.
        input_name: What the argument is called in `--help`.
        input_help: Its description.
    """
    parameters, annotations = [], {}
    for entry in fields(ChipSettings):
        annotation, default = _parameter(entry, input_name, input_help)
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(entry.name, kind, default=default, annotation=annotation))
        annotations[entry.name] = annotation

    def command(**values: Any) -> None:
        status = run(settings_from_options(values))
        if status:
            raise typer.Exit(status)

    command.__doc__ = description
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = annotations
    return command


def settings_from_options(values: Mapping[str, Any]) -> ChipSettings:
    """Return settings from the texts of options.

    Raises:
        ConfigError: A value is not what its option expects.
    """
    fields_by_name = {entry.name: entry for entry in fields(ChipSettings)}
    return ChipSettings(**{name: _value(fields_by_name[name], value) for name, value in values.items()})


def _parameter(entry: Field[Any], input_name: str, input_help: str) -> tuple[Any, Any]:
    """Return annotation and default value of the parameter of a field."""
    if entry.name == "input":
        return Annotated[str, typer.Argument(metavar=input_name, help=input_help)], inspect.Parameter.empty
    text, choices = entry.metadata["help"], entry.metadata["choices"]
    metavar = "|".join(choices) if choices else entry.metadata["metavar"] or None
    flag = f"--{entry.name.replace('_', '-')}"
    if entry.type is bool:
        return Annotated[bool, typer.Option(f"{flag}/--no-{flag[2:]}", help=text)], entry.default
    if entry.name == "output":
        return Annotated[str, typer.Option(flag, help=text, metavar=metavar)], inspect.Parameter.empty
    is_plain = _plain_type(entry) is not None
    default = entry.default if is_plain else None
    kind: Any = _plain_type(entry) or str
    if default is None:
        kind = kind | None
    return Annotated[kind, typer.Option(flag, help=text, metavar=metavar)], default


def _plain_type(entry: Field[Any]) -> Any:
    """Return the type of a field of one value; None for lists and mappings."""
    parts = [part for part in typing.get_args(entry.type) or (entry.type,) if part is not type(None)]
    return parts[0] if len(parts) == 1 and parts[0] in (str, int, float) else None


def _value(entry: Field[Any], value: Any) -> Any:
    """Return the value of a field from that of its option."""
    if _plain_type(entry) is not None or entry.type is bool:
        return value
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if entry.type in LISTS:
        return tuple(parts)
    pairs = [part.partition("=") for part in parts]
    wrong = [key for key, separator, asset in pairs if not separator or not key or not asset]
    if wrong:
        raise ConfigError(f"{entry.name}={value} does not work; expected BAND=ASSET pairs with commas between them")
    return {key: asset for key, _, asset in pairs}


WITHOUT_EFFECT = {
    "processing_method": "windows of the files are read where they lie; nothing is downloaded as a whole",
    "spatial_resolution": "chips have the pixels of the images; labels are brought onto them",
    "qa_check": "images without data in a chip are always left out; --min-valid and --min-clear ask for more",
}
"""Options of the module commands that are accepted, and why they change nothing."""

TRUE, FALSE = ("true", "t", "1", "yes"), ("false", "f", "0", "no")


def modern_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `instageo chips` for those of the module commands: `--flag=value` with former names.

    Names may have `_` or `-`, and flags may be written `--flag`, `--noflag` or `--flag=true`.

    Raises:
        ConfigError: An option of the former commands has a value that is not known.
    """
    flags = {entry.name for entry in fields(ChipSettings) if entry.type is bool}
    names = {entry.metadata["former"]: entry.name for entry in fields(ChipSettings) if entry.metadata["former"]}
    result: list[str] = []
    for argument in _joined(arguments, flags, names):
        option, separator, value = argument.partition("=")
        if not option.startswith("--"):
            result.append(argument)
            continue
        name = option[2:].replace("-", "_")
        is_negated = names.get(name.removeprefix("no"), name.removeprefix("no")) in flags and not separator
        name = names.get(name.removeprefix("no"), name.removeprefix("no")) if is_negated else names.get(name, name)
        if name == "is_time_series_task":
            result.append(f"--when={'before' if _is_true(option, value or 'true') else 'around'}")
        elif name in WITHOUT_EFFECT:
            typer.echo(f"note: {option}: {WITHOUT_EFFECT[name]}", err=True)
        elif name == "input":
            result.append(value)
        elif name in flags:
            is_set = _is_true(option, value or "true") and not (is_negated and option[2:4] == "no")
            result.append(f"--{'' if is_set else 'no-'}{name.replace('_', '-')}")
        else:
            result.append(f"--{name.replace('_', '-')}{separator}{value}")
    return result


def _joined(arguments: Sequence[str], flags: set[str], names: Mapping[str, str]) -> list[str]:
    """Join `--option value` to `--option=value`."""
    result: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name = argument.removeprefix("--").replace("-", "_")
        takes_value = names.get(name, name) not in flags and name not in ("help", "is_time_series_task", "qa_check")
        takes_value &= names.get(name.removeprefix("no"), name.removeprefix("no")) not in flags
        if argument.startswith("--") and "=" not in argument and rest and takes_value and not rest[0].startswith("--"):
            argument += f"={rest.pop(0)}"
        result.append(argument)
    return result


def _is_true(option: str, value: str) -> bool:
    if value.lower() not in (*TRUE, *FALSE):
        raise ConfigError(f"{option}={value} does not work; expected true or false")
    return value.lower() in TRUE
