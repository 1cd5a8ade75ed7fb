"""What was not the same as in the published run, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from instageo.recipes.definition.recipe import REBUILT, Origin
from instageo.recipes.recipe_runs import RecipeRuns
from instageo.wording import counted


def list_differences(runs: RecipeRuns, trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each difference, and for what is not known of the published run."""
    recipe, state = runs.recipe, runs.state
    origin = recipe.origins[state.origin]
    sentences = []
    if runs.size:
        sentences.append(
            f"The network is of the size {runs.size}, distilled from that of the recipe with the same seed."
        )
    if state.origin == REBUILT:
        sentences.append("The chips were rebuilt from satellite images; they are not the published ones.")
    if runs.overrides:
        sentences.append(f"Settings that differ from the recipe: {', '.join(f'`{word}`' for word in runs.overrides)}.")
    sentences += [*_about_epochs(trainings), *_about_tables(origin, trainings, runs.scorings())]
    if not recipe.is_shipped:
        sentences.append(f"The recipe is a file of your own: {recipe.path}.")
    if state.sha256 != recipe.sha256:
        sentences.append("The recipe has changed since its data were prepared.")
    sentences += [*(recipe.published.notes if recipe.published else ()), *origin.notes]
    return [*sentences, _about_program(trainings)]


def _about_epochs(trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    planned = [((run.get("configuration") or {}).get("train") or {}).get("num_epochs") for run in trainings]
    done = [(run.get("total") or {}).get("epochs") for run in trainings]
    early = [
        str(run.get("seed")) for run, all_, own in zip(trainings, planned, done, strict=True) if own and own < all_
    ]
    sentences = [f"Epochs: {planned[0]}; seeds: {', '.join(str(run.get('seed')) for run in trainings)}."]
    if early:
        sentences.append(f"The training of seed {', '.join(early)} ended early.")
    return sentences


def _about_tables(
    origin: Origin, trainings: Sequence[Mapping[str, Any]], scorings: Sequence[Mapping[str, Any]]
) -> list[str]:
    tables, sentences = (trainings[0].get("tables") or {}) | (scorings[0].get("tables") or {}), []
    counts = {name.removesuffix("_filepath"): table for name, table in tables.items() if table}
    if counts:
        listed = ", ".join(f"{name} {table.get('chips')}" for name, table in counts.items())
        sentences.append(f"Chips: {listed}.")
    for name, table in counts.items():
        if table.get("left_out"):
            sentences.append(f"{counted(table['left_out'], 'row')} of the table {name} could not be used.")
    parts = origin.tables or {}
    if parts.get("test") == parts.get("val"):
        sentences.append(
            "Without a test table, the scores are those of the validation table, which also selected the best epoch."
        )
    return sentences


def _about_program(trainings: Sequence[Mapping[str, Any]]) -> str:
    run = trainings[0]
    versions, machine = run.get("versions") or {}, run.get("machine") or {}
    gpu = machine.get("gpu")
    device = gpu if isinstance(gpu, str) else (gpu or {}).get("name") if isinstance(gpu, Mapping) else None
    return (
        f"The program is instageo-model {versions.get('instageo')} with PyTorch {versions.get('torch')}, on "
        f"{device or 'a CPU'}; the published runs had another program."
    )
