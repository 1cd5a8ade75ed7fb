"""A report as files and on the screen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.model.accounts.record import plain, write_whole
from instageo.model.comparison.caveats import chip_text
from instageo.model.comparison.figure import cost_figure, points_of
from instageo.model.comparison.rows import Headline, Row
from instageo.model.comparison.texts import Column, cost_columns, label, markdown, record, score_columns
from instageo.table import write_table

NAME = "distill_report"

SCREEN = 100
"""Characters a line has where no terminal tells."""


@dataclass(frozen=True)
class Report:
    """Networks side by side.

    Attributes:
        rows: The teacher first, then the students by falling operations.
        headline: Which scores are compared.
        scores_of: What the scores are of, in words.
        machine: On what was timed.
        rounds: Single chips timed per network.
        batches: Batches timed per network.
        batch_size: Chips in a batch.
        weight_types: Number formats of the weights in the files.
        notes: What a reader must know before comparing.
    """

    rows: Sequence[Row]
    headline: Headline
    scores_of: str
    machine: Mapping[str, Any]
    rounds: int
    batches: int
    batch_size: int
    weight_types: Sequence[str]
    notes: Sequence[str]

    @property
    def chip(self) -> str:
        """The chips that are counted and timed, in words."""
        sizes = {row.chip for row in self.rows}
        return chip_text(self.rows[0].chip) if len(sizes) == 1 else "of different sizes"

    @property
    def legend(self) -> list[str]:
        """What the columns are: sentences."""
        machine = self.machine
        cpu = f"{machine['cpu']}, {machine['cpu_cores']} cores, threads used: {machine['threads']}"
        return [
            f"chips: {self.chip}; GFLOPs: one forward pass",
            f"latency: one chip, median [10th–90th percentile] of {self.rounds}; chips/s: in batches of "
            f"{self.batch_size}, median of {self.batches}; networks alone, timed in turn",
            f"machine: {machine['gpu'] or cpu}; PyTorch {machine['torch']}",
            f"file: best checkpoint as it lies, weights in {' and '.join(self.weight_types)}, and settings",
            f"scores: {self.scores_of}; n runs that differ in their seed alone, mean ± standard deviation; "
            f"Δ {label(self.headline.main)}: less the teacher's",
            *self.notes,
        ]


def content(report: Report) -> dict[str, Any]:
    """The report as plain types, with all numbers in full."""
    told = asdict(report)
    return {"format": 1, **told, "main_score": report.headline.main, "legend": report.legend}


def to_json(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(plain(content(report)), indent=2)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write JSON, CSV, Markdown and the figure; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{NAME}.{kind}" for kind in ("json", "csv", "md", "png")]
    write_whole(paths[0], content(report))
    write_table(paths[1], [record(row, report.headline) for row in report.rows])
    lines = "".join(f"- {line}\n" for line in report.legend)
    paths[2].write_text(f"{markdown(report.rows, report.headline)}\n{lines}", encoding="utf-8")
    points = points_of(report.rows, report.headline)
    if not points:
        return paths[:3]
    cost_figure(points, report.headline, report.chip, paths[3])
    return paths


def show_report(report: Report) -> None:
    """Print cost and scores as two tables, and what their columns are."""
    console = Console()
    console = console if console.is_terminal else Console(width=SCREEN)
    console.print(_table("Cost", report.rows, cost_columns()))
    console.print(_table("Scores and training", report.rows, score_columns(report.headline)))
    for line in report.legend:
        console.print(f"- {line}", style="dim", markup=False, highlight=False)


def _table(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("network", overflow="fold", min_width=14)
    for number, column in enumerate(columns):
        table.add_column(column.title, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(row.name, *(column.text(row).replace(" ± ", "\n± ") for column in columns))
    return table
