"""Classes of codes or names: `1:0,5:1`, or a table with the columns code and class."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from instageo.data.observations.label_values import IGNORED_CLASS, MOST_CLASS
from instageo.errors import ConfigError


def read_class_map(text: str | None) -> dict[str, int]:
    """Return the class of each code or name; empty without a map.

    Args:
        text: Pairs `code:class` with commas between them, or the path of a CSV file with the columns code and class.

    Raises:
        ConfigError: A pair is malformed, a code occurs twice, or a class is out of range.
    """
    if not text:
        return {}
    if Path(text).suffix.lower() != ".csv":
        return _class_map((_pair(part) for part in text.split(",") if part.strip()), text)
    path = Path(text)
    if not path.is_file():
        raise ConfigError(f"class_map={text}: does not exist; looked for {path.absolute()}")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not {"code", "class"} <= set(reader.fieldnames or ()):
            raise ConfigError(f"class_map={text}: expected the columns code and class; found {reader.fieldnames}")
        return _class_map(((row["code"] or "", row["class"] or "") for row in reader), text)


def _pair(part: str) -> tuple[str, str]:
    code, _, value = part.rpartition(":")
    return code, value


def _class_map(pairs: Iterable[tuple[str, str]], text: str) -> dict[str, int]:
    result: dict[str, int] = {}
    for code, value in ((code.strip(), value.strip()) for code, value in pairs):
        if not code or not re.fullmatch("-?[0-9]{1,9}", value) or not IGNORED_CLASS <= int(value) <= MOST_CLASS:
            raise ConfigError(
                f"class_map={text}: '{code}:{value}' is not a pair of a code and a class; expected 1:0,5:1, classes "
                f"0 to {MOST_CLASS}, or {IGNORED_CLASS} to ignore a code"
            )
        if result.setdefault(code, int(value)) != int(value):
            raise ConfigError(f"class_map={text}: {code} has the classes {result[code]} and {value}; remove one")
    return result
