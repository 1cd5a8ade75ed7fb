"""Check the arguments of the Python API, and convert them to plain types; a wrong one is reported in one sentence."""

import math
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from instageo.errors import ConfigError
from instageo.table import parse_dates

SHOWN_CHARACTERS = 60
"""Characters of a value in a message."""


def expect(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise an error that names an argument, its value and what was expected, unless a condition holds.

    Raises:
        ConfigError: `holds` is false.
    """
    if holds:
        return
    text = repr(value)
    if len(text) > SHOWN_CHARACTERS or "\n" in text:
        text = f"(a {type(value).__name__})"
    raise ConfigError(f"{name}={text} does not work; expected {expected}")


def to_plain(value: Any) -> Any:
    """Return a value as settings hold it: tuples and arrays as lists, numbers of NumPy as Python's, paths as text."""
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy, tensors
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return [to_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def as_path(name: str, value: object, expected: str = "a path, as text or pathlib.Path") -> str:
    """Return a path or URL as text."""
    expect(isinstance(value, (str, os.PathLike)) and str(value) != "", name, value, expected)
    return str(value)


def as_whole_number(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least a given one."""
    number = to_plain(value)
    ok = isinstance(number, int) and not isinstance(number, bool) and number >= least
    expect(ok, name, value, f"a whole number of at least {least}")
    return int(number)


def as_size(name: str, value: object) -> tuple[int, int]:
    """Return height and width of a size given as one side or as both, pixels."""
    sides = to_plain(value)
    if not isinstance(sides, list):
        sides = [sides, sides]
    ok = len(sides) == 2 and all(type(side) is int and side >= 1 for side in sides)
    expect(ok, name, value, "a whole number of pixels, or (height, width)")
    return sides[0], sides[1]


def as_bands(name: str, value: object) -> list[str] | list[int]:
    """Return bands as a list of names, or of positions."""
    bands = to_plain(value)
    ok = isinstance(bands, list) and len({type(band) for band in bands} & {str, int}) == 1
    ok = ok and {type(band) for band in bands} <= {str, int}
    expect(ok, name, value, "a list of names, such as ['RED', 'NIR'], or of positions in the file, such as [3, 4]")
    return list(bands)


def as_number_pair(name: str, value: object, expected: str) -> tuple[list[float], list[float]]:
    """Return two lists of finite numbers."""
    pair = to_plain(value)
    ok = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, list) for part in pair)
    ok = ok and all(_is_number(number) for part in pair for number in part)
    expect(ok, name, value, expected)
    first, second = ([float(number) for number in part] for part in pair)
    return first, second


def as_dates(name: str, value: object) -> tuple[date, ...]:
    """Return dates given as one or several, as dates, times, ISO text or values of NumPy."""
    dates: list[date] = []
    single = isinstance(value, (str, date)) or not isinstance(value, Iterable)
    parts: Iterable[Any] = [value] if single else cast(Iterable[Any], value)
    for part in parts:
        plain = to_plain(part.astype("datetime64[D]")) if type(part).__name__ == "datetime64" else part
        try:
            dates += parse_dates(plain) if isinstance(plain, str) else [date(plain.year, plain.month, plain.day)]
        except (ValueError, AttributeError, TypeError):
            expect(False, name, part, "dates such as ['2024-03-05'], one for each date of the image")
    return tuple(dates)


def as_lat_lon(name: str, value: object) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees; None for None."""
    if value is None:
        return None
    pair = to_plain(value)
    ok = isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))
    expect(ok and abs(pair[0]) <= 90 and abs(pair[1]) <= 180, name, value, "(latitude, longitude) in degrees")
    return float(pair[0]), float(pair[1])


def as_records(table: Any) -> list[dict[str, Any]] | None:
    """Return the rows of a pandas DataFrame; None for a table that is a path.

    Raises:
        ConfigError: It is neither.
    """
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        records: list[dict[str, Any]] = table.to_dict("records")
        return records
    as_path("table", table, "the path or URL of a table, or a DataFrame with the columns Input and Label")
    return None


def as_scores(name: str, value: object) -> dict[str, float]:
    """Return scores by name."""
    ok = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    scores = {key: to_plain(score) for key, score in value.items()} if isinstance(value, Mapping) else {}
    ok = ok and all(isinstance(score, (int, float)) for score in scores.values())
    expect(ok, name, value, "numbers by name, such as {'val_mIoU': 0.7}")
    return {key: float(score) for key, score in scores.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
