"""Print the contents of a registry as tables, or return them for JSON."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.registry.local_models import UNVERSIONED
from instageo.model.registry.manifest import Manifest, ModelSize, RegisteredModel
from instageo.model.registry.names import LATEST

MAX_SCORES = 2
"""Scores shown per model or version."""


def print_registry(manifest: Manifest) -> None:
    """Print all models in all sizes, one line each."""
    table = _table(manifest.url)
    for column in ("model/size", "task", "parameters", "versions", "latest", "scores"):
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    for model in manifest.models.values():
        for size in model.sizes.values():
            count = sum(version.number is not None for version in size.versions)
            latest = size.find_version(LATEST)
            table.add_row(
                f"{model.key}/{size.name}",
                model.task,
                _format_count(latest.metadata.get("num_params", size.num_params)),
                str(count or "none"),
                str(latest.number or "-"),
                _format_scores(latest.metadata.get("metrics") or {}),
            )
    Console().print(table)


def print_model(model: RegisteredModel) -> None:
    """Print a model with its sizes, versions and aliases."""
    console = Console()
    console.print(f"[bold]{model.key}[/bold] ({model.short_name}): {model.title}", highlight=False)
    for name, text in (
        ("task", model.task),
        ("about", model.description),
        ("data", model.data_source),
        ("dates per chip", str(model.num_dates)),
        ("classes", ", ".join(f"{value} {name}" for value, name in model.classes.items())),
        ("bands", " ".join(next(iter(model.sizes.values())).versions[-1].metadata.get("bands") or ())),
    ):
        if text:
            console.print(f"  {name}: {text}", highlight=False, markup=False)
    for size in model.sizes.values():
        console.print(_versions_table(model, size))


def _versions_table(model: RegisteredModel, size: ModelSize) -> Table:
    table = _table(f"{model.key}/{size.name}")
    for column in ("version", "aliases", "created", "params", "GFLOPs", "licence", "scores", "exports"):
        table.add_column(column, no_wrap=column == "version")
    for version in reversed(size.versions):
        metadata = version.metadata
        gflops = metadata.get("gflops")
        table.add_row(
            str(version.number or UNVERSIONED),
            ", ".join(alias for alias, number in size.aliases.items() if number == version.number),
            str(metadata.get("created", ""))[:10],
            _format_count(metadata.get("num_params", size.num_params)),
            f"{gflops:.3g}" if isinstance(gflops, int | float) else "",
            str(metadata.get("licence") or ""),
            _format_scores(metadata.get("metrics") or {}),
            _format_exports(metadata.get("exports") or {}),
        )
    return table


def model_to_dict(model: RegisteredModel) -> dict[str, Any]:
    """Return a model as plain values, for JSON."""
    return {
        "model": model.key, "short_name": model.short_name, "model_type": model.task, "name": model.title,
        "description": model.description, "classes": {str(value): name for value, name in model.classes.items()},
        "data_source": model.data_source, "temporal_step": model.num_dates,
        "sizes": {size.name: _size_to_dict(size) for size in model.sizes.values()},
    }  # fmt: skip


def _size_to_dict(size: ModelSize) -> dict[str, Any]:
    return {
        "num_params": size.num_params,
        "aliases": {alias: str(number) for alias, number in size.aliases.items()},
        "versions": [
            {
                "version": str(version.number) if version.number else None,
                "folder": version.folder,
                "files": {path: {"size": file.size, "sha256": file.sha256} for path, file in version.files.items()},
                **version.metadata,
            }
            for version in size.versions
        ],
    }


def _table(title: str) -> Table:
    return Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)


def _format_count(value: object) -> str:
    """Return a number of parameters as `3.7M`, and text as it is."""
    return f"{value / 1e6:.1f}M" if isinstance(value, int | float) and value >= 1e5 else str(value)


def _format_scores(metrics: Mapping[str, float]) -> str:
    """Return the first scores of the validation table, without losses."""
    scores = {name.removeprefix("val_"): value for name, value in metrics.items() if not name.endswith("loss")}
    return ", ".join(f"{name} {value:.3f}" for name, value in list(scores.items())[:MAX_SCORES])


def _format_exports(exports: Mapping[str, Mapping[str, str]]) -> str:
    """Return the formats that a version has besides its checkpoint, such as `onnx f32, openvino int8`."""
    return ", ".join(f"{entry.get('format', '')} {entry.get('precision', '')}".strip() for entry in exports.values())
