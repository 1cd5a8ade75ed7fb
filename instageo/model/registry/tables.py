"""What a registry holds, as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.registry.manifest import Manifest, ModelSize, ModelVersion, RegisteredModel

SHOWN = 2
"""Scores in the list of models."""


def print_registry(manifest: Manifest) -> None:
    """Print all models in all sizes, a line each."""
    table = Table(title=manifest.url, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("model/size", "task", "parameters", "versions", "latest", "scores"):
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    for model in manifest.models.values():
        for size in model.sizes.values():
            numbers = [str(version.number) for version in size.versions if version.number]
            newest = size.find("latest")
            table.add_row(
                f"{model.key}/{size.name}", model.kind, _count(newest.facts.get("num_params", size.num_params)),
                str(len(numbers) or "none"), str(newest.number or "-"), _scores(newest.facts.get("metrics") or {}),
            )  # fmt: skip
    Console().print(table)


def print_model(model: RegisteredModel) -> None:
    """Print a model with its sizes, versions and aliases."""
    console = Console()
    console.print(f"[bold]{model.key}[/bold] ({model.short_name}): {model.name}", highlight=False)
    for name, text in (
        ("task", model.kind), ("about", model.description), ("data", model.data_source),
        ("dates per chip", str(model.temporal_step)),
        ("classes", ", ".join(f"{value} {name}" for value, name in model.classes.items())),
        ("bands", " ".join(next(iter(model.sizes.values())).versions[-1].facts.get("bands") or ())),
    ):  # fmt: skip
        if text:
            console.print(f"  {name}: {text}", highlight=False, markup=False)
    for size in model.sizes.values():
        console.print(_versions(model, size))


def _versions(model: RegisteredModel, size: ModelSize) -> Table:
    table = Table(title=f"{model.key}/{size.name}", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("version", "aliases", "created", "params", "GFLOPs", "licence", "scores"):
        table.add_column(column, no_wrap=column == "version")
    for version in reversed(size.versions):
        facts = version.facts
        names = [alias for alias, number in size.aliases.items() if number == version.number]
        table.add_row(
            str(version.number or "unversioned"), ", ".join(names), str(facts.get("created", ""))[:10],
            _count(facts.get("num_params", size.num_params)), _arithmetic(facts.get("gflops")),
            str(facts.get("licence", "")), _scores(facts.get("metrics") or {}),
        )  # fmt: skip
    return table


def model_to_dict(model: RegisteredModel) -> dict[str, Any]:
    """A model as plain values, for JSON."""
    sizes = {
        size.name: {
            "num_params": size.num_params,
            "aliases": {alias: str(number) for alias, number in size.aliases.items()},
            "versions": [_plain_version(version) for version in size.versions],
        }
        for size in model.sizes.values()
    }
    return {
        "model": model.key, "short_name": model.short_name, "model_type": model.kind, "name": model.name,
        "description": model.description, "classes": {str(value): name for value, name in model.classes.items()},
        "data_source": model.data_source, "temporal_step": model.temporal_step, "sizes": sizes,
    }  # fmt: skip


def _plain_version(version: ModelVersion) -> dict[str, Any]:
    files = {path: {"size": proof.size, "sha256": proof.sha256} for path, proof in version.files.items()}
    number = str(version.number) if version.number else None
    return {"version": number, "folder": version.folder, "files": files, **version.facts}


def _count(value: object) -> str:
    """Parameters as `3.7M`; text as it is."""
    return f"{value / 1e6:.1f}M" if isinstance(value, int | float) and value >= 1e5 else str(value)


def _arithmetic(gflops: object) -> str:
    return f"{gflops:.3g}" if isinstance(gflops, int | float) else ""


def _scores(metrics: Mapping[str, float]) -> str:
    """The first scores of the validation table; losses are none."""
    scores = {name.removeprefix("val_"): value for name, value in metrics.items() if not name.endswith("loss")}
    return ", ".join(f"{name} {value:.3f}" for name, value in list(scores.items())[:SHOWN])
