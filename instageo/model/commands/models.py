"""`instageo models`: the family as a table: sizes, arithmetic, memory, and where the weights come from."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.backbones.variants import VARIANTS
from instageo.model.cost import network_cost
from instageo.progress import track


def list_models(*, temporal_dim: int, img_size: int, head: str, num_classes: int) -> list[dict[str, object]]:
    """One record per variant: its sizes, its cost for one chip (see `Cost`), and the source of its weights."""
    records = []
    for name, variant in track(VARIANTS.items(), "counting", len(VARIANTS)):
        cost = network_cost(name, num_classes=num_classes, temporal_dim=temporal_dim, img_size=img_size, head=head)
        counted = asdict(cost) | {"training_bytes": cost.training_bytes}
        records.append({"model_name": name, **asdict(variant), **counted})
    return records


def show_models(records: Sequence[dict[str, object]], title: str) -> None:
    """Print the records as a table on stdout."""
    table = Table(title=title, caption=CAPTION, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("model.model_name", no_wrap=True)
    for column in ("params\n(M)", "GFLOPs", "train\n(GB)"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("pretrained weights", no_wrap=True)
    for record in records:
        table.add_row(*_cells(record))
    Console().print(table)


CAPTION = (
    "GFLOPs: one chip forward. train: memory for one chip, float32, AdamW.\n"
    "Weights: repositories of ibm-nasa-geospatial on Hugging Face."
)


def _cells(record: dict[str, object]) -> list[str]:
    parameters, flops, training = (float(str(record[key])) for key in ("parameters", "flops", "training_bytes"))
    weights = VARIANTS[str(record["model_name"])].weights
    return [
        str(record["model_name"]),
        f"{parameters / 1e6:.1f}",
        f"{flops / 1e9:.1f}",
        f"{training / 1e9:.1f}",
        weights.repository.partition("/")[2] if weights else "none (random)",
    ]
