"""One check of one setting."""

from enum import Enum

from instageo.errors import ConfigError


def check(holds: bool, name: str, found: object, expected: str) -> None:
    """Refuse a value in the words every setting shares.

    Raises:
        ConfigError: `holds` is false.
    """
    if not holds:
        found = found.value if isinstance(found, Enum) else found
        raise ConfigError(f"{name}={found} does not work; expected {expected}")


def are_numbers(values: object) -> bool:
    """Whether it is a list of numbers."""
    return isinstance(values, list) and all(type(value) in (int, float) for value in values)
