"""`instageo models`: the family as a table: sizes, arithmetic, memory, and where the weights come from."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.backbones.variants import VARIANTS
from instageo.model.networks.cost import NetworkCost, network_cost
from instageo.model.settings.resolve import SIZES
from instageo.progress import track


def list_variants(*, temporal_dim: int, img_size: int, head: str, num_classes: int) -> list[dict[str, object]]:
    """One record per variant: its sizes, its cost for one chip (see `Cost`), and the source of its weights."""
    records = []
    for name, variant in track(VARIANTS.items(), "counting", len(VARIANTS)):
        cost = network_cost(name, num_classes=num_classes, temporal_dim=temporal_dim, img_size=img_size, head=head)
        records.append({"model_name": name, **asdict(variant), **_counted(cost)})
    return records


def list_sizes(*, temporal_dim: int, img_size: int, num_classes: int) -> list[dict[str, object]]:
    """One record per `model.size`: what it decides, and its cost for one chip."""
    records = []
    for name, size in SIZES.items():
        cost = network_cost(**vars(size), num_classes=num_classes, temporal_dim=temporal_dim, img_size=img_size)
        records.append({"size": name, **asdict(size), **_counted(cost)})
    return records


def _counted(cost: NetworkCost) -> dict[str, object]:
    return asdict(cost) | {"training_bytes": cost.training_bytes}


def print_models(records: Sequence[dict[str, object]], sizes: Sequence[dict[str, object]], title: str) -> None:
    """Print variants and sizes as tables on stdout."""
    table = Table(title=title, caption=CAPTION, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("model.model_name", no_wrap=True)
    for column in ("params\n(M)", "GFLOPs", "train\n(GB)"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("pretrained weights", no_wrap=True)
    for record in records:
        name = str(record["model_name"])
        weights = VARIANTS[name].weights
        table.add_row(name, *_costs(record), weights.repository.partition("/")[2] if weights else "none (random)")
    Console().print(table, _sizes_table(sizes))


def _sizes_table(sizes: Sequence[dict[str, object]]) -> Table:
    table = Table(
        title="Sizes: presets of variant, head, depth and width", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False
    )
    table.add_column("model.size", no_wrap=True)
    for column in ("params\n(M)", "GFLOPs", "train\n(GB)"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("is")
    for size in sizes:
        told = [str(size["model_name"]), f"head {size['head']}"]
        told += [f"{key} {size[key]}" for key in ("depth", "embed_dim", "head_channels") if size[key] not in (None, -1)]
        table.add_row(str(size["size"]), *_costs(size), ", ".join(told))
    return table


CAPTION = (
    "GFLOPs: one chip forward. train: memory for one chip, float32, AdamW.\n"
    "Weights: repositories of ibm-nasa-geospatial on Hugging Face."
)


def _costs(record: dict[str, object]) -> list[str]:
    """Parameters, arithmetic and memory as text."""
    parameters, flops, training = (float(str(record[key])) for key in ("parameters", "flops", "training_bytes"))
    return [f"{parameters / 1e6:.1f}", f"{flops / 1e9:.1f}", f"{training / 1e9:.1f}"]
