"""`instageo models`: the networks as a table of sizes, arithmetic, memory and sources of weights."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.backbones.variants import VARIANTS, all_variants
from instageo.model.networks.cost import NetworkCost, compute_network_cost
from instageo.model.settings.network import SIZES
from instageo.runtime.progress import track


def list_variants(*, temporal_dim: int, img_size: int, head: str, num_classes: int) -> list[dict[str, object]]:
    """Return one record per variant: its sizes, its cost for one chip (see `NetworkCost`) and its published weights."""
    records = []
    for name, variant in track(all_variants().items(), "counting", len(all_variants())):
        own_head = head if name in VARIANTS else None
        cost = compute_network_cost(
            name, head=own_head, num_classes=num_classes, temporal_dim=temporal_dim, img_size=img_size
        )
        records.append({"model_name": name, **asdict(variant), **_cost_record(cost)})
    return records


def list_sizes(*, temporal_dim: int, img_size: int, num_classes: int) -> list[dict[str, object]]:
    """Return one record per `model.size`: the settings it stands for, and its cost for one chip."""
    records = []
    for name, size in SIZES.items():
        cost = compute_network_cost(**vars(size), num_classes=num_classes, temporal_dim=temporal_dim, img_size=img_size)
        records.append({"size": name, **asdict(size), **_cost_record(cost)})
    return records


def _cost_record(cost: NetworkCost) -> dict[str, object]:
    return asdict(cost) | {"training_bytes": cost.training_bytes}


def print_models(records: Sequence[dict[str, object]], sizes: Sequence[dict[str, object]], title: str) -> None:
    """Print variants and sizes as tables on stdout.

    Args:
        records: From `list_variants`.
        sizes: From `list_sizes`.
        title: Title of the table of variants.
    """
    table = _cost_table(title, "model.model_name")
    table.caption = CAPTION
    table.add_column("pretrained weights", no_wrap=True)
    for record in records:
        name = str(record["model_name"])
        weights = all_variants()[name].weights
        table.add_row(name, *_format_cost(record), weights.repository.partition("/")[2] if weights else "none (random)")
    Console().print(table, _sizes_table(sizes))


def _sizes_table(sizes: Sequence[dict[str, object]]) -> Table:
    table = _cost_table("Sizes: presets of variant, head, depth and embed_dim", "model.size")
    table.add_column("settings")
    for size in sizes:
        parts = [str(size["model_name"]), f"head {size['head']}"]
        overrides = {key: size[key] for key in ("depth", "embed_dim", "head_channels")}
        parts += [f"{key} {value}" for key, value in overrides.items() if value not in (None, -1)]
        table.add_row(str(size["size"]), *_format_cost(size), ", ".join(parts))
    return table


def _cost_table(title: str, key: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column(key, no_wrap=True)
    for column in ("params\n(M)", "GFLOPs", "train\n(GB)"):
        table.add_column(column, justify="right", no_wrap=True)
    return table


CAPTION = (
    "GFLOPs: forward pass of one chip. train: memory to train with one chip, float32, AdamW.\n"
    "Weights: repositories of ibm-nasa-geospatial on Hugging Face."
)


def _format_cost(record: dict[str, object]) -> list[str]:
    """Format parameters, arithmetic and memory."""
    parameters, flops, training = (float(str(record[key])) for key in ("parameters", "flops", "training_bytes"))
    numbers = parameters / 1e6, flops / 1e9, training / 1e9
    return [f"{number:.1f}" if number >= 1 else f"{number:.2f}" for number in numbers]
