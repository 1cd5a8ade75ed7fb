"""Bound YAML and JSON that may come from anyone: before they are parsed, and before what they say is used."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_BYTES = 2 << 20
"""Largest text."""

MAX_VALUES = 100_000
"""Most values, counted again for each alias (`*name`) of YAML that repeats them."""

MAX_DEPTH = 64
"""Most levels of lists and mappings within each other."""

MAX_DIGITS = 400
"""Most digits of a number; 64-bit floating-point numbers have up to 309 before the point."""

_LONG_NUMBER = re.compile(rf"[0-9_]{{{MAX_DIGITS + 1}}}")

_DEEP_LINE = re.compile(rf"^[ \t?-]{{{2 * MAX_DEPTH + 1}}}", re.MULTILINE)
"""Start of a line in YAML that is indented too far, or opens too many lists at once."""


class UnboundedTextError(ValueError):
    """A text is larger, or nested deeper, than its parsers should be given."""


def check_text(text: str) -> None:
    """Check the size, the nesting and the numbers of YAML or JSON before it is parsed.

    Raises:
        UnboundedTextError: It has too many bytes, levels or digits; the message says which, as "it has …".
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise UnboundedTextError(f"it has {size} bytes; expected at most {MAX_BYTES}")
    if _LONG_NUMBER.search(text):
        raise UnboundedTextError(f"it has a number of more than {MAX_DIGITS} digits")
    if _DEEP_LINE.search(text) or _bracket_depth(text) > MAX_DEPTH:
        raise UnboundedTextError(f"it has more than {MAX_DEPTH} levels of lists and mappings")


def count_values(value: Any) -> int:
    """Return how many values there are if every alias is written out.

    Args:
        value: Plain values as a parser returns them: the same object where an alias repeats one.

    Raises:
        UnboundedTextError: A value contains itself, or they are nested too deep.
    """
    return _count(value, {}, 0)


def load_json(text: str) -> Any:
    """Return the plain values of JSON.

    Raises:
        ValueError: It is not JSON, or not within the limits of `check_text`.
    """
    check_text(text)
    return json.loads(text)


def load_json_file(path: Path) -> Any:
    """Return the plain values of a JSON file, whose size is checked before it is read.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, or not within the limits of `check_text`.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnboundedTextError(f"it has more than {MAX_BYTES} bytes")
    return load_json(content.decode())


def _count(value: Any, counts: dict[int, int | None], depth: int) -> int:
    if not isinstance(value, Mapping | list | tuple):
        return 1
    if depth > MAX_DEPTH:
        raise UnboundedTextError(f"it has more than {MAX_DEPTH} levels of lists and mappings")
    if id(value) not in counts:
        counts[id(value)] = None
        items = value.values() if isinstance(value, Mapping) else value
        counts[id(value)] = 1 + sum(_count(item, counts, depth + 1) for item in items)
    count = counts[id(value)]
    if count is None:
        raise UnboundedTextError("an alias (*name) is part of what it stands for")
    return count


def _bracket_depth(text: str) -> int:
    """Return how many brackets are open at once at most, those in quotes included."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest
