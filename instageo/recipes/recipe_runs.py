"""The finished runs of a recipe, as a report needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.model.tracking.run_json import RUN_FILE, read_run_json
from instageo.plain_values import load_json_file
from instageo.recipes.definition.recipe import Recipe
from instageo.recipes.preparation.folder import Preparation


@dataclass(frozen=True)
class RecipeRuns:
    """Finished runs of a recipe.

    Attributes:
        recipe: The recipe.
        state: How it was prepared.
        folders: Folder of each seed's training; the scores of the test table are in `test` below it.
        overrides: Settings of the user.
        size: Size of the students; None for the network of the recipe.
        teachers: Runs of their teachers.
    """

    recipe: Recipe
    state: Preparation
    folders: Sequence[Path]
    overrides: tuple[str, ...] = ()
    size: str | None = None
    teachers: "RecipeRuns | None" = None

    def trainings(self) -> list[dict[str, Any]]:
        """Return the metadata of the trainings."""
        return [read_run_json(folder / RUN_FILE) for folder in self.folders]

    def scorings(self) -> list[dict[str, Any]]:
        """Return the metadata of the scoring of the test table."""
        return [read_run_json(folder / "test" / RUN_FILE) for folder in self.folders]

    def scores(self) -> list[dict[str, Any]]:
        """Return the scores of the test table by seed."""
        return [load_json_file(folder / "test" / "metrics.json") for folder in self.folders]
