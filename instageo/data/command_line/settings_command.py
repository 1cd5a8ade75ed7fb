"""Make a function for Typer from the fields of settings."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from types import UnionType
from typing import Annotated, Any, TypeVar

import typer

from instageo.data.command_line.option import options_of
from instageo.errors import ConfigError
from instageo.wording import option_flag

Settings = TypeVar("Settings")


def settings_command(
    run: Callable[[Settings], int],
    settings_type: type[Settings],
    description: str,
    *,
    arguments: Mapping[str, tuple[str, str]] | None = None,
    required: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = (),
) -> Callable[..., None]:
    """Return a function for Typer whose parameters are the options of settings.

    Args:
        run: Does the work and returns the exit status.
        settings_type: Dataclass whose fields are declared with `option`.
        description: Text for `--help`.
        arguments: What an argument is called in `--help`, and its description, by field, where this command differs.
        required: Fields that must be given.
        leave_out: Fields that this command has no use for.
    """
    parameters, annotations = [], {}
    for entry in options_of(settings_type):
        if entry.name in leave_out:
            continue
        metavar, text = (arguments or {}).get(entry.name, (entry.metadata["metavar"], entry.metadata["help"]))
        annotation, default = _parameter(entry, metavar, text)
        if entry.name in required:
            default = inspect.Parameter.empty
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(entry.name, kind, default=default, annotation=annotation))
        annotations[entry.name] = annotation

    def command(**values: Any) -> None:
        status = run(settings_from_options(settings_type, values))
        if status:
            raise typer.Exit(status)

    command.__doc__ = description
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = annotations
    return command


def settings_from_options(settings_type: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Return settings from the texts of options.

    Raises:
        ConfigError: A value is not what its option expects.
    """
    options = {entry.name: entry for entry in options_of(settings_type)}
    return settings_type(**{name: _value(options[name], value) for name, value in values.items()})


def is_flag(entry: Field[Any]) -> bool:
    """Return whether an option is set and unset by its name alone."""
    return entry.type is bool


def _parameter(entry: Field[Any], metavar: str, text: str) -> tuple[Any, Any]:
    """Return annotation and default value of the parameter of a field."""
    plain, parts = _plain_type(entry), _part_type(entry)
    if entry.metadata["is_argument"]:
        kind: Any = list[parts] if parts else plain  # type: ignore[valid-type]
        return Annotated[kind, typer.Argument(metavar=metavar or None, help=text)], inspect.Parameter.empty
    choices = entry.metadata["choices"]
    metavar = "|".join(choices) if choices else metavar
    flag = option_flag(entry.name)
    if is_flag(entry):
        return Annotated[bool, typer.Option(f"{flag}/--no-{flag[2:]}", help=text)], entry.default
    default = entry.default if plain else None
    if parts and entry.default is not MISSING and entry.default:
        text = f"{text} Default: {','.join(str(part).removesuffix('.0') for part in entry.default)}."
    kind = (plain or str) if default is not None else (plain or str) | None
    return Annotated[kind, typer.Option(flag, help=text, metavar=metavar or None)], default


def _plain_type(entry: Field[Any]) -> Any:
    """Return the type of a field of one value; None for lists and mappings."""
    union = isinstance(entry.type, UnionType)
    parts = [part for part in (typing.get_args(entry.type) if union else (entry.type,)) if part is not type(None)]
    return parts[0] if len(parts) == 1 and parts[0] in (str, int, float) else None


def _part_type(entry: Field[Any]) -> Any:
    """Return the type of the parts of a list, which is written with commas between them; None for other fields."""
    return typing.get_args(entry.type)[0] if typing.get_origin(entry.type) is tuple else None


def _value(entry: Field[Any], value: Any) -> Any:
    """Return the value of a field from that of its option."""
    if _plain_type(entry) is not None or is_flag(entry):
        return value
    kind = _part_type(entry)
    if kind and entry.metadata["is_argument"]:
        return tuple(value)
    if kind and value is None:
        return entry.default
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if kind:
        try:
            return tuple(kind(part) for part in parts)
        except ValueError:
            raise ConfigError(
                f"{entry.name}={value} does not work; expected numbers with commas between them"
            ) from None
    pairs = [part.partition("=") for part in parts]
    if any(not separator or not key or not text for key, separator, text in pairs):
        kinds = entry.metadata["metavar"] or "KEY=VALUE"
        raise ConfigError(f"{entry.name}={value} does not work; expected {kinds} pairs with commas between them")
    return {key: text for key, _, text in pairs}
