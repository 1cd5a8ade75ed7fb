"""Declare the fields of settings that are options of a command."""

from dataclasses import Field, field, fields
from typing import Any

from instageo.errors import ConfigError, did_you_mean


def option(
    default: Any,
    text: str,
    *,
    former: str = "",
    choices: tuple[str, ...] = (),
    metavar: str = "",
    is_argument: bool = False,
) -> Any:
    """Return a field that is an option of a command.

    Args:
        default: Default value; None where another option decides.
        text: Description for `--help`.
        former: Name of the option in the module command (`python -m instageo.data.chip_creator`), if it differs.
        choices: Accepted values.
        metavar: What the value is, for `--help`.
        is_argument: Whether the value is given without a flag; for a field of type `tuple[str, ...]`, all such values.
    """
    metadata = {
        "help": text, "former": former, "choices": choices, "metavar": metavar, "is_argument": is_argument,
    }  # fmt: skip
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(settings: Any) -> list[Field[Any]]:
    """Return the fields of settings, or of their class, that are options."""
    return [entry for entry in fields(settings) if "is_argument" in entry.metadata]


def check_choices(settings: Any) -> None:
    """Raise unless each option of settings with `choices` has one of them.

    Raises:
        ConfigError: An option has another value.
    """
    for entry in options_of(settings):
        value, choices = getattr(settings, entry.name), entry.metadata["choices"]
        for part in value if isinstance(value, tuple) else (value,):
            if choices and part is not None and part not in choices:
                raise ConfigError(
                    f"{entry.name}={part} is unknown; choose one of {', '.join(choices)}{did_you_mean(part, choices)}"
                )
