"""Checks on the parameters of losses."""

import math

from instageo.errors import ConfigError


def is_number(value: object, *, allow_zero: bool = False) -> bool:
    """Return whether a value is a finite int or float above 0, or also 0 if `allow_zero`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < math.inf or (allow_zero and value == 0)


def check_number(key: str, value: object, *, allow_zero: bool = False) -> None:
    """Raise an error unless a parameter is a finite number above 0, or also 0 if `allow_zero`.

    Args:
        key: Setting as messages name it, such as `train.loss.focal.gamma`.
        value: Its value.
        allow_zero: Whether 0 is valid.

    Raises:
        ConfigError: It is not such a number.
    """
    if not is_number(value, allow_zero=allow_zero):
        expected = "a number of 0 or more" if allow_zero else "a number above 0"
        raise ConfigError(f"{key}={value} does not work; expected {expected}")
