"""Run a recipe: train with every seed, score the test table, and report; finished seeds are not trained again."""

import json
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from instageo.files import write_text
from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.run import main
from instageo.model.tracking.run_json import FINISHED, RUN_FILE, read_run_json
from instageo.plain_values import load_json_file
from instageo.recipes.definition.recipe import Recipe, RecipeError
from instageo.recipes.preparation.folder import check_prepared, held
from instageo.recipes.recipe_runs import RecipeRuns
from instageo.recipes.report import write_report
from instageo.recipes.run_arguments import Job, check_arguments, scoring_arguments, training_arguments

log = logging.getLogger(__name__)

ARGUMENTS = "recipe_run.json"
"""File in the folder of a seed with the settings that it was begun with."""


def run_recipe(
    recipe: Recipe, folder: Path, *, seeds: Sequence[int], size: str | None = None, overrides: tuple[str, ...] = ()
) -> int:
    """Train, score and report.

    Args:
        recipe: The recipe, prepared in the folder.
        folder: Its folder.
        seeds: Seeds of the runs.
        size: Preset of `model.size` that is distilled from the network of the recipe; None for that network.
        overrides: Further settings, `key=value`.

    Returns:
        Exit status: that of the first run that failed, else 0.

    Raises:
        RecipeError: The folder is not prepared, or a setting cannot be used here.
    """
    check_arguments(size, overrides)
    state = check_prepared(recipe, folder)
    job = Job(recipe, folder.absolute(), state.origin, overrides)
    with held(folder):
        for seed in seeds:
            status = _run_seed(job, seed, None) or (_run_seed(job, seed, size) if size else 0)
            if status:
                typer.echo("stopped; the same command goes on, finished seeds are not trained again", err=True)
                return status
        own = RecipeRuns(recipe, state, [job.seed_folder(None, seed) for seed in seeds], overrides)
        if size:
            students = [job.seed_folder(size, seed) for seed in seeds]
            write_report(RecipeRuns(recipe, state, students, overrides, size=size, teachers=own))
        else:
            write_report(own)
    return 0


def _run_seed(job: Job, seed: int, size: str | None) -> int:
    """Train with a seed and score the test table, as far as that is not done, and return the exit status."""
    folder, arguments = job.seed_folder(size, seed), training_arguments(job, seed, size)
    _check_same_arguments(folder, arguments)
    if not is_trained(folder):
        write_text(folder / ARGUMENTS, json.dumps(arguments, indent=2) + "\n")
        mode = "train.resume=true" if (folder / f"{LAST}.ckpt").is_file() else "train.overwrite=true"
        status = _call([*arguments, mode, f"hydra.run.dir={folder}"])
        if status:
            return status
    scored = folder / "test"
    if read_run_json(scored / RUN_FILE).get("status") == FINISHED and (scored / "metrics.json").is_file():
        typer.echo(f"{folder} is finished already", err=True)
        return 0
    return _call([*scoring_arguments(job, folder), f"hydra.run.dir={scored}"])


def is_trained(folder: Path) -> bool:
    """Return whether a training came to its end."""
    run = read_run_json(folder / RUN_FILE)
    return (run.get("mode"), run.get("status")) == ("train", FINISHED) and (folder / f"{BEST}.ckpt").is_file()


def _check_same_arguments(folder: Path, arguments: Sequence[str]) -> None:
    """Raise an error if a training was begun with other settings."""
    try:
        before = load_json_file(folder / ARGUMENTS)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise RecipeError(f"{folder / ARGUMENTS}: is damaged ({error}); delete {folder} to train again") from error
    if before == list(arguments):
        return
    old = [argument for argument in before if argument not in arguments]
    new = [argument for argument in arguments if argument not in before]
    raise RecipeError(
        f"{folder}: was trained with {' '.join(old[:3]) or 'fewer settings'}, but now it is "
        f"{' '.join(new[:3]) or 'without them'}; use the same settings, or move {folder.parent} away"
    )


def _call(arguments: Sequence[str]) -> int:
    """Run `instageo run` in this process, with the command shown, and return its exit status."""
    typer.echo(f"$ instageo run {shlex.join(arguments)}", err=True)
    return main(arguments)
