"""Show recipes: the list as a table, one as text with the commands that do the same by hand."""

import json
import shlex
from pathlib import Path
from typing import Any

import typer

from instageo.recipes.definition.recipe import MISSING, SCORES, Origin, Recipe
from instageo.recipes.definition.shipped import all_recipes
from instageo.recipes.preparation.steps import StepContext, step_commands
from instageo.recipes.run_arguments import Job, scoring_arguments, training_arguments


def print_recipes(*, as_json: bool) -> None:
    """Print the recipes that come with the program."""
    recipes = all_recipes()
    if as_json:
        typer.echo(json.dumps([recipe_to_dict(recipe) for recipe in recipes], indent=2, ensure_ascii=False))
        return
    typer.echo(f"{'recipe':<18} {'task':<13} published {' / '.join(SCORES['segmentation'].values())}, percent")
    for recipe in recipes:
        size = next(iter(recipe.origins.values())).size
        typer.echo(f"{recipe.name:<18} {recipe.task:<13} {published_text(recipe)}")
        typer.echo(f"    {recipe.title}" + (f"; {size}" if size else ""))
    typer.echo("instageo recipe show NAME shows all of a recipe, and its commands")


def published_text(recipe: Recipe) -> str:
    """Return the published figures in their usual order."""
    if recipe.published is None:
        return MISSING
    scores = recipe.published.scores
    return " / ".join(f"{scores[name]:.2f}" if name in scores else MISSING for name in SCORES[recipe.task])


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values."""
    return {
        "name": recipe.name, "title": recipe.title, "task": recipe.task, "licence": recipe.licence,
        "preset": recipe.preset, "settings": dict(recipe.settings),
        "published": vars(recipe.published) if recipe.published else None,
        "chips": {
            name: {"size": origin.size, "places": [source.url for source in origin.places], "notes": origin.notes}
            for name, origin in recipe.origins.items()
        },
    }  # fmt: skip


def describe_recipe(recipe: Recipe, folder: Path, origin_name: str | None = None) -> list[str]:
    """Return the lines of a description.

    Args:
        recipe: The recipe.
        folder: Folder in the commands.
        origin_name: `published` or `rebuilt`; by default all origins are described.

    Raises:
        RecipeError: The recipe has no such origin.
    """
    lines = [f"{recipe.name}: {recipe.title}", f"  task: {recipe.task}", f"  licence: {recipe.licence}"]
    if recipe.published:
        titles = " / ".join(SCORES[recipe.task].values())
        lines += [f"  published {titles}: {published_text(recipe)}", f"  source: {recipe.published.source}"]
        lines += [f"  note: {note}" for note in recipe.published.notes]
    names = [recipe.origin(origin_name)[0]] if origin_name else list(recipe.origins)
    for name in names:
        lines += ["", f"Chips: {name}", *_describe_origin(recipe, name, recipe.origins[name], folder)]
    return lines


def _describe_origin(recipe: Recipe, name: str, origin: Origin, folder: Path) -> list[str]:
    lines = [f"  download: {origin.size or 'size not known'}"] if origin.places else []
    for source in origin.places:
        what = ", ".join(source.match or [file.path for file in source.files])
        lines.append(f"  from {source.url}: {what}" + ("" if source.to == "." else f" (to {source.to}/)"))
        lines += [f"    {file.path}: sha256 {file.sha256}" for file in source.files if file.sha256]
    lines += [f"  you bring {path}: {what}" for path, what in (origin.needs or {}).items()]
    lines += [f"  note: {note}" for note in origin.notes]
    own = shlex.join([recipe.argument, "--folder", str(folder)])
    flag = "" if name == next(iter(recipe.origins)) else f" --chips {name}"
    lines += ["", f"  instageo recipe prepare {own}{flag}"]
    lines.append("  does, after the download:" if origin.places else "  does:")
    context = StepContext(folder, recipe.path)
    lines += [f"    {command}" for step in origin.steps for command in step_commands(step, context)]
    job = Job(recipe, folder, name, ())
    training = shlex.join(["instageo", "run", *training_arguments(job, 1, None)])
    seed = job.seed_folder(None, 1)
    scoring = shlex.join(["instageo", "run", *scoring_arguments(job, seed)])
    lines += ["", f"  instageo recipe run {own}", "  does for each seed:"]
    return [*lines, f"    {training} hydra.run.dir={seed}", f"    {scoring} hydra.run.dir={seed / 'test'}"]
