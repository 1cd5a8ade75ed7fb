"""Read plain values strictly: what is missing, misspelt or of another kind is one sentence that says where."""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from instageo.errors import did_you_mean
from instageo.recipes.definition.recipe import RecipeError


def mapping(value: object, where: str, expected: str) -> Mapping[str, Any]:
    """Return a mapping whose keys are text."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{where} is {_kind(value)}; expected {expected}")
    return value


def check_keys(values: Mapping[str, Any], where: str, allowed: Sequence[str], needed: Iterable[str] = ()) -> None:
    """Raise an error unless all keys are allowed and the needed ones are there."""
    for key in values:
        if key not in allowed:
            raise RecipeError(f"{where}: '{key}' is unknown; expected {', '.join(allowed)}{did_you_mean(key, allowed)}")
    for key in needed:
        if values.get(key) in (None, "", [], {}):
            raise RecipeError(f"{where}: has no {key}; expected {', '.join(needed)}")


def text(value: object, where: str) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise RecipeError(f"{where} is {_kind(value)}; expected text")
    return value.strip()


def texts(value: object, where: str) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(text(part, f"{where}[{number}]") for number, part in enumerate(items(value, where)))


def items(value: object, where: str) -> Sequence[Any]:
    """Return a list; empty for nothing."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RecipeError(f"{where} is {_kind(value)}; expected a list")
    return value


def path_below(value: object, where: str) -> str:
    """Return a relative path with `/` that stays in its folder, in its shortest form."""
    path = text(value, where)
    shortest = posixpath.normpath(path)
    if path.startswith("/") or shortest.split("/")[0] == ".." or "\\" in path or ":" in path or "\0" in path:
        raise RecipeError(f"{where} is '{path}'; expected a path below the folder of the recipe, with /")
    return shortest


def _kind(value: object) -> str:
    if value is None:
        return "missing or empty"
    if isinstance(value, str):
        return f"the text '{value}'"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else repr(value)
