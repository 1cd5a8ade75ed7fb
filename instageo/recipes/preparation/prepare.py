"""Prepare a recipe: download its files and make its tables; a repeated call goes on where the last one ended."""

import logging
from dataclasses import replace
from pathlib import Path

import typer

from instageo.recipes.definition.recipe import Origin, Recipe, RecipeError
from instageo.recipes.preparation.downloads import download_all
from instageo.recipes.preparation.folder import Preparation, check_same, count_rows, held, read_preparation
from instageo.recipes.preparation.places import list_place
from instageo.recipes.preparation.steps import CallCommand, StepContext, run_step, step_digest
from instageo.runtime.progress import log_to_stderr

log = logging.getLogger(__name__)


def prepare_recipe(
    recipe: Recipe, folder: Path, call: CallCommand, *, origin: str | None = None, catalog: str | None = None
) -> None:
    """Download what a recipe needs and make its tables.

    Args:
        recipe: The recipe.
        folder: Folder for all of it.
        call: Runs commands of the program.
        origin: `published` or `rebuilt`; by default that of an earlier call, else the recipe's first.
        catalog: Catalogue of images in place of the default one, for chips that are rebuilt.

    Raises:
        RecipeError: The folder holds something else, a needed file is missing, or a step failed.
        StoreError: A file cannot be downloaded.
    """
    state = read_preparation(folder)
    if state is not None:
        check_same(recipe, state, folder)
        origin = origin or state.origin
    name, chosen = recipe.origin(origin)
    _check_catalog(recipe, name, chosen, catalog)
    if state is not None and state.origin != name:
        raise RecipeError(f"{folder}: holds chips that are {state.origin}, not {name}; choose another folder")
    if state is not None and state.catalog != (catalog or state.catalog):
        raise RecipeError(
            f"{folder}: was begun with the catalogue {state.catalog or 'of the recipe'}; choose another folder for "
            f"{catalog}"
        )
    _check_needs(recipe, chosen, folder)
    with held(folder):
        state = _begin(recipe, folder, name, catalog, read_preparation(folder))
        if state.finished:
            typer.echo(f"{folder} is prepared already: {_describe_rows(state)}")
            return
        with log_to_stderr():
            state = _download(chosen, folder, state)
        state = _run_steps(chosen, state, StepContext(folder, recipe.path, state.catalog or None, call))
        state = replace(state, rows=count_rows(chosen, folder), finished=True).save(folder)
    typer.echo(f"{recipe.name} is prepared in {folder}: {_describe_rows(state)}")


def _begin(recipe: Recipe, folder: Path, origin: str, catalog: str | None, state: Preparation | None) -> Preparation:
    """Return the state to continue from: after a change of the recipe, without the steps from the first changed one."""
    if state is None:
        return Preparation(recipe.name, recipe.sha256, origin, catalog or "").save(folder)
    if state.sha256 == recipe.sha256:
        return state
    log.warning(
        "%s: the recipe has changed since it was prepared; its steps are run again from the first that changed", folder
    )
    unchanged = 0
    for done, step in zip(state.steps, recipe.origins[origin].steps, strict=False):
        if done != step_digest(step):
            break
        unchanged += 1
    return replace(state, sha256=recipe.sha256, steps=state.steps[:unchanged], finished=False).save(folder)


def _download(origin: Origin, folder: Path, state: Preparation) -> Preparation:
    files = []
    for source in origin.places:
        log.info("listing the files at %s", source.url)
        files += list_place(source)
    if files:
        download_all(files, folder)
    return replace(state, files=len(files), bytes=sum(file.size for file in files)).save(folder)


def _run_steps(origin: Origin, state: Preparation, context: StepContext) -> Preparation:
    for step in origin.steps[len(state.steps) :]:
        run_step(step, context)
        state = state.with_step(step_digest(step)).save(context.folder)
    return state


def _check_needs(recipe: Recipe, origin: Origin, folder: Path) -> None:
    for path, content in (origin.needs or {}).items():
        if not (folder / path).exists():
            raise RecipeError(f"{recipe.name} needs a file of yours, {folder / path}: {content}; put it there first")


def _check_catalog(recipe: Recipe, name: str, origin: Origin, catalog: str | None) -> None:
    if catalog and not any(step.kind == "chips" for step in origin.steps):
        raise RecipeError(
            f"--catalog has no effect on {recipe.name} with chips that are {name}: nothing is read from a catalogue"
        )


def _describe_rows(state: Preparation) -> str:
    return ", ".join(f"{part} {count}" for part, count in (state.rows or {}).items()) + " chips"
