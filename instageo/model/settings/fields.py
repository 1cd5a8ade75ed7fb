"""Declare settings, with default, help text and roles in one place, and check their values."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import field
from enum import Enum, auto
from typing import Any, TypeVar

from instageo.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Role(Enum):
    """What a setting means to checkpoints, resumed runs, maps and comparisons.

    A setting without roles is not stored for inference, must stay the same when a run is resumed, changes maps, and
    separates runs in a report.
    """

    fixed_by_checkpoint = auto()
    """A trained network decides it; an override that contradicts the checkpoint is an error."""
    default_from_checkpoint = auto()
    """Read from the checkpoint unless the user sets it: it describes the files at hand, not the network."""
    recorded_in_checkpoint = auto()
    """Stored in the checkpoint for the record, never read from it."""
    free_on_resume = auto()
    """A resumed run may change it: it decides how long and where a run takes place."""
    free_between_repeats = auto()
    """Runs that differ only in such settings are repeats of one experiment, one row of a report."""
    no_effect_on_maps = auto()
    """Predictions do not depend on it, or only through the content of a file."""
    set_by_sensor = auto()
    """`dataloader.sensor` decides it unless the user sets it."""
    shared_with_teacher = auto()
    """Teacher and student need the same value."""
    shared_with_data = auto()
    """In the Python API, a task and its data module need the same value."""
    free_text = auto()
    """A path or a name of the user's choice; the command line takes it as typed, whatever characters it has."""
    same_task = auto()
    """Runs in one report need the same value."""


ANYTIME = (Role.free_on_resume, Role.free_between_repeats)
"""Roles of settings that do not change what a run learns."""

PLACE = (*ANYTIME, Role.no_effect_on_maps)
"""Roles of settings that say where inputs, outputs and records lie."""

UNIT = (Role.fixed_by_checkpoint, Role.set_by_sensor, Role.shared_with_teacher)
"""Roles of settings that decide the unit of the network's input."""

NOT_GIVEN = object()


def setting(
    default: T,
    help: str = "",
    *roles: Role,
    former_name: str | None = None,
    former_key: str | None = None,
    before_it_existed: object = NOT_GIVEN,
) -> T:
    """Declare a setting as a dataclass field.

    Args:
        default: Default value; a mutable one is copied for each instance.
        help: Comment in `config.yaml`: meaning, choices, unit, and what null stands for.
        roles: What it means to checkpoints, resumed runs, maps and comparisons.
        former_name: Name of this field in checkpoints and configurations of earlier versions.
        former_key: Key of this setting in earlier versions, of another group, which command lines still take.
        before_it_existed: Value for checkpoints that were written before the setting existed.
    """
    metadata: dict[str, Any] = {"help": help, "roles": frozenset(roles), "former_name": former_name}
    metadata["former_key"] = former_key
    if before_it_existed is not NOT_GIVEN:
        metadata["before_it_existed"] = before_it_existed
    if isinstance(default, (str, int, float, bool, Enum, type(None))):
        return field(default=default, metadata=metadata)
    return field(default_factory=lambda: deepcopy(default), metadata=metadata)


def group(cls: type[T], help: str = "", *roles: Role) -> T:
    """Declare a group of settings as a dataclass field; its settings inherit the roles.

    Args:
        cls: Dataclass of the group, with a default for every field.
        help: Comment in `config.yaml`.
        roles: Roles of all settings in the group.
    """
    return field(default_factory=cls, metadata={"help": help, "roles": frozenset(roles)})


def check(holds: bool, name: str, value: object, expected: str, choices: Iterable[str] = ()) -> None:
    """Raise an error that names a setting, its value and what was expected, unless a condition holds.

    Args:
        holds: The condition.
        name: The setting.
        value: Its value.
        expected: What was expected, in words.
        choices: Words that the setting takes; the one nearest to the value is suggested.

    Raises:
        ConfigError: `holds` is false.
    """
    if not holds:
        value = value.value if isinstance(value, Enum) else value
        raise ConfigError(f"{name}={value} does not work; expected {expected}{did_you_mean(str(value), choices)}")


def are_numbers(values: object) -> bool:
    """Return whether a value is a list of numbers."""
    return isinstance(values, list) and all(type(value) in (int, float) for value in values)
