"""Report of a recipe: published against reached, what it cost, and what was not the same."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import typer

from instageo.files import write_text
from instageo.recipes.definition.recipe import MISSING, SCORES
from instageo.recipes.differences import list_differences
from instageo.recipes.recipe_runs import RecipeRuns
from instageo.runtime.progress import format_duration

MARKDOWN, JSON = "recipe_report.md", "recipe_report.json"


def write_report(runs: RecipeRuns) -> Path:
    """Write the report as Markdown and JSON next to the seeds, print its table, and return the Markdown file."""
    content = report_content(runs)
    folder = runs.folders[0].parent
    write_text(folder / JSON, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    text = report_text(content)
    write_text(folder / MARKDOWN, text)
    typer.echo(text)
    typer.echo(f"wrote {folder / MARKDOWN} and {JSON}")
    return folder / MARKDOWN


def report_content(runs: RecipeRuns) -> dict[str, Any]:
    """Return all numbers of the report."""
    recipe, trainings, scores = runs.recipe, runs.trainings(), runs.scores()
    factor = 100 if recipe.task == "segmentation" else 1
    published = recipe.published.scores if recipe.published else {}
    teachers = runs.teachers.scores() if runs.teachers else []
    table = []
    for name, title in SCORES[recipe.task].items():
        reached = spread([number * factor for part in scores if (number := part.get(name)) is not None])
        row = {"score": name, "title": title, "published": published.get(name), **reached}
        both = row["published"] is not None and row["mean"] is not None
        row["difference"] = row["mean"] - row["published"] if both else None
        if runs.teachers:
            row["teacher"] = spread([part[name] * factor for part in teachers if part.get(name) is not None])["mean"]
        table.append(row)
    return {
        "recipe": recipe.name, "title": recipe.title, "task": recipe.task, "chips": runs.state.origin,
        "size": runs.size, "unit": "percent" if factor == 100 else "unit of the labels",
        "source": recipe.published.source if recipe.published else None, "scores": table,
        "cost": cost(trainings), "not_the_same": list_differences(runs, trainings),
        "runs": [
            {"folder": str(folder), "seed": run.get("seed"), "scores": part, "total": run.get("total")}
            for folder, run, part in zip(runs.folders, trainings, scores, strict=True)
        ],
    }  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the mean, sample standard deviation (None for a single value) and count.

    Examples:
        >>> spread([1.0, 3.0])
        {'mean': 2.0, 'deviation': 1.4142135623730951, 'n': 2}
    """
    if not values:
        return {"mean": None, "deviation": None, "n": 0}
    return {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else None, "n": len(values)}


def cost(trainings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what one network costs, and the time and energy of all trainings together."""
    network = trainings[0].get("network") or {}
    totals = [run.get("total") or {} for run in trainings]
    result: dict[str, Any] = {
        "model_name": network.get("model_name"), "head": network.get("head"),
        "parameters": network.get("parameters"), "forward_flops": network.get("forward_flops"),
        "forward_shape": network.get("forward_shape"), "trainings": len(trainings),
    }  # fmt: skip
    for key in ("wall_seconds", "energy_kwh", "co2_kg"):
        values = [total.get(key) for total in totals]
        result[key] = sum(values) if all(value is not None for value in values) else None
    return result


def report_text(content: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    size = f", distilled to the size {content['size']}" if content["size"] else ""
    lines = [f"# {content['recipe']}: {content['title']}{size}", ""]
    has_teacher = bool(content["size"])
    heads = ["score", "published", "reached", "difference", *(["teacher"] if has_teacher else [])]
    lines += [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    for row in content["scores"]:
        cells = [row["title"], _number(row["published"]), _reached(row), _number(row["difference"], sign=True)]
        cells += [_number(row["teacher"])] if has_teacher else []
        lines.append(f"| {' | '.join(cells)} |")
    count = content["scores"][0]["n"]
    unit = "In percent" if content["unit"] == "percent" else "RMSE and MAE in the unit of the labels"
    lines += ["", f"{unit}; reached: mean ± sample standard deviation over {count} seed{'s' * (count != 1)}."]
    lines += [f"Published: {content['source']}." if content["source"] else "No figures are published for this recipe."]
    lines += ["", "## Cost", "", *(f"- {line}" for line in _cost_lines(content["cost"], has_teacher=has_teacher))]
    lines += ["", "## What was not the same", "", *(f"- {line}" for line in content["not_the_same"])]
    lines += ["", "## Runs", "", *(f"- seed {run['seed']}: `{run['folder']}`" for run in content["runs"])]
    return "\n".join(lines) + "\n"


def _cost_lines(values: Mapping[str, Any], *, has_teacher: bool) -> list[str]:
    lines = [f"network: {values['model_name']}, head {values['head']}"]
    if values["parameters"]:
        lines[0] += f", {values['parameters'] / 1e6:.2f} M parameters"
    if values["forward_flops"]:
        shape = " x ".join(map(str, values["forward_shape"]))
        lines.append(
            f"{values['forward_flops'] / 1e9:.3g} GFLOPs for a window of {shape} (bands, dates, rows, columns)"
        )
    if values["wall_seconds"] is not None:
        lines.append(f"training: {format_duration(values['wall_seconds'])} for {_trainings(values['trainings'])}")
    if has_teacher:
        lines.append("the training of the teachers is not included")
    if values["energy_kwh"] is not None:
        lines.append(f"energy: {values['energy_kwh']:.3g} kWh, {values['co2_kg']:.3g} kg of CO2 equivalents")
    else:
        lines.append("energy: not measured; add energy=true energy_country=KEN (the country of your electricity)")
    return lines


def _trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count} trainings together"


def _reached(row: Mapping[str, Any]) -> str:
    if row["mean"] is None:
        return MISSING
    return _number(row["mean"]) + (f" ± {_number(row['deviation'])}" if row["deviation"] is not None else "")


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return MISSING
    return f"{value:+.2f}" if sign else f"{value:.2f}"
