"""Find recipes: those that come with the program by name, others by the path of their file."""

from pathlib import Path

from instageo.errors import did_you_mean
from instageo.plain_values import MAX_BYTES
from instageo.recipes.definition.parse import parse_recipe
from instageo.recipes.definition.recipe import FOLDER, Recipe, RecipeError

NAMES = (
    "sen1floods11", "sen1floods11-s1", "sen1floods11-hls", "sen1floods11-s2", "hls-crops", "hls-crops-replica",
    "us-cdl-2022", "us-cdl-2024", "locust", "locust-replica", "aod", "biomass", "burn-scars",
)  # fmt: skip
"""Recipes that come with the program, in the order of the list."""

ENDINGS = (".yaml", ".yml")


def open_recipe(name: str) -> Recipe:
    """Return a recipe by its name, or by the path of a YAML file.

    Raises:
        RecipeError: The recipe is unknown, or the file is missing or not a recipe.
    """
    path = FOLDER / f"{name}.yaml"
    if Path(name).suffix.lower() in ENDINGS:
        path = Path(name).expanduser()
        if not path.is_file():
            raise RecipeError(f"{name}: no such file; expected the YAML file of a recipe")
    elif name not in NAMES:
        raise RecipeError(
            f"recipe '{name}' is unknown; choose one of {', '.join(NAMES)}, or name a YAML file"
            f"{did_you_mean(name, NAMES)}"
        )
    with path.open("rb") as file:
        return parse_recipe(file.read(MAX_BYTES + 1), path)


def all_recipes() -> list[Recipe]:
    """Return the recipes that come with the program."""
    return [open_recipe(name) for name in NAMES]
