"""The folder of a recipe: what it holds, how far its preparation is, and who is using it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from instageo.files import write_text
from instageo.plain_values import load_json_file
from instageo.recipes.definition.recipe import Origin, Recipe, RecipeError
from instageo.stores.lock import LockedError, hold_folder
from instageo.table_formats import READERS

STATE = "recipe.json"

HELD = ".recipe"
"""Folder with the lock."""


@dataclass(frozen=True)
class Preparation:
    """How far a preparation is.

    Attributes:
        recipe: Name of the recipe.
        sha256: Hash of its file.
        origin: Origin of its chips.
        catalog: Catalogue that replaces the default one; empty if none does.
        files: Number of files downloaded.
        bytes: Their size.
        steps: Hashes of the finished steps.
        finished: Whether all is done.
        rows: Number of rows of each table.
    """

    recipe: str
    sha256: str
    origin: str
    catalog: str = ""
    files: int = 0
    bytes: int = 0
    steps: tuple[str, ...] = ()
    finished: bool = False
    rows: Mapping[str, int] | None = None

    def save(self, folder: Path) -> "Preparation":
        """Write the state, and return it."""
        write_text(folder / STATE, json.dumps(asdict(self), indent=2) + "\n")
        return self

    def with_step(self, digest: str) -> "Preparation":
        """Return the state after a step."""
        return replace(self, steps=(*self.steps, digest))


def read_preparation(folder: Path) -> Preparation | None:
    """Return the state of a folder; None if nothing was prepared there.

    Raises:
        RecipeError: The state is damaged.
    """
    path = folder / STATE
    try:
        content = load_json_file(path)
        return Preparation(**content | {"steps": tuple(content["steps"])})
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise RecipeError(f"{folder}: is a file; expected a folder") from error
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"{path}: is damaged ({error}); delete it and prepare again") from error


def check_prepared(recipe: Recipe, folder: Path) -> Preparation:
    """Return the state of a folder in which the recipe is prepared.

    Raises:
        RecipeError: The folder is not prepared, or for another recipe, or a table is missing.
    """
    state = read_preparation(folder)
    command = f"instageo recipe prepare {recipe.argument} --folder {folder}"
    if state is None or not state.finished:
        problem = "is not prepared" if state is None else "was not prepared to the end"
        raise RecipeError(f"{folder}: {problem}; run `{command}` first")
    check_same(recipe, state, folder)
    for part, path in table_paths(recipe.origins[state.origin], folder).items():
        if not path.is_file():
            raise RecipeError(f"{path}: the table of {part} is missing; delete {folder / STATE} and run `{command}`")
    return state


def check_same(recipe: Recipe, state: Preparation, folder: Path) -> None:
    """Raise an error if a folder holds the data of another recipe."""
    if state.recipe != recipe.name or state.origin not in recipe.origins:
        raise RecipeError(
            f"{folder}: holds the recipe {state.recipe} ({state.origin}), not {recipe.name}; choose another folder"
        )


def table_paths(origin: Origin, folder: Path) -> dict[str, Path]:
    """Return the table of each part."""
    return {part: folder / origin.root / table for part, table in (origin.tables or {}).items()}


def count_rows(origin: Origin, folder: Path) -> dict[str, int]:
    """Return the number of rows of each table.

    Raises:
        RecipeError: A table is missing or empty.
        TableError: A table cannot be read.
    """
    counts = {}
    for part, path in table_paths(origin, folder).items():
        if not path.is_file():
            raise RecipeError(f"{path}: the steps of the recipe did not make it; expected the table of {part}")
        counts[part] = len(READERS[path.suffix.lower()](path.read_bytes(), str(path)))
        if not counts[part]:
            raise RecipeError(f"{path}: the table of {part} has no rows; expected at least one chip")
    return counts


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of a recipe during this block.

    Raises:
        RecipeError: Another process is using it.
    """
    try:
        with hold_folder(folder / HELD):
            yield
    except LockedError as error:
        raise RecipeError(
            f"{folder}: is being used by another command ({error}); wait for its end, or choose another folder"
        ) from error
