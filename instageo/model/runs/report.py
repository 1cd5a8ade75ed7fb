"""A report that compares networks: written as JSON, CSV, Markdown and PNG, and printed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.files import write_text
from instageo.model.runs.cost_figure import draw_cost_figure, figure_points
from instageo.model.runs.rows import PrimaryMetrics, ReportRow
from instageo.model.runs.tables import Column, cost_columns, csv_record, markdown_table, score_columns, score_label
from instageo.model.runs.trained_run import TrainedRun
from instageo.model.tracking.run_json import to_json_value, write_json
from instageo.table import write_table
from instageo.wording import counted

NAME = "distill_report"

WIDTH = 100
"""Characters in a line if the output is not a terminal."""

ENERGY_HINT = (
    "energy and CO2 are missing for trainings that did not measure them; train with energy=true energy_country=… "
    "(three letters)"
)


@dataclass(frozen=True)
class Report:
    """Networks side by side.

    Attributes:
        rows: The teacher first, then the students from the most to the fewest operations.
        primary_metrics: The scores that are compared.
        scores_of: Where the scores are from, in words.
        machine: Processor, threads, GPU and PyTorch version of the timing, see `describe_device`.
        rounds: Single chips timed per network.
        batches: Batches timed per network.
        batch_size: Chips in a batch.
        weight_types: Data types of the weights in the files.
        notes: Caveats for the reader.
    """

    rows: Sequence[ReportRow]
    primary_metrics: PrimaryMetrics
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
        return describe_chip(self.rows[0].chip) if len(sizes) == 1 else "of different sizes"

    @property
    def legend(self) -> list[str]:
        """Explanations of the columns, then the notes."""
        machine = self.machine
        cpu = f"{machine['cpu']}, {machine['cpu_cores']} cores, threads used: {machine['threads']}"
        return [
            f"chips: {self.chip}; GFLOPs: one forward pass",
            f"latency: one chip, median [10th–90th percentile] of {self.rounds}; chips/s: in batches of "
            f"{self.batch_size}, median of {self.batches}; forward passes only, networks timed in alternation",
            f"machine: {machine['gpu'] or cpu}; PyTorch {machine['torch']}",
            f"file: best checkpoint, with weights in {' and '.join(self.weight_types)}, and settings",
            f"scores: {self.scores_of}; mean ± standard deviation of n runs that differ only in their seed; "
            f"Δ {score_label(self.primary_metrics.main)}: minus the teacher's",
            *self.notes,
        ]


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write JSON, CSV, Markdown and, if a row has a main score, the figure; return their paths."""
    json_file, csv_file, markdown_file, figure_file = (
        folder / f"{NAME}.{suffix}" for suffix in ("json", "csv", "md", "png")
    )
    metrics = report.primary_metrics
    write_json(json_file, report_content(report))
    write_table(csv_file, [csv_record(row, metrics) for row in report.rows])
    legend = "".join(f"- {line}\n" for line in report.legend)
    write_text(markdown_file, f"{markdown_table(report.rows, metrics)}\n{legend}")
    points = figure_points(report.rows, metrics)
    if not points:
        return [json_file, csv_file, markdown_file]
    draw_cost_figure(points, metrics, report.chip, figure_file)
    return [json_file, csv_file, markdown_file, figure_file]


def print_report(report: Report) -> None:
    """Print cost and scores as two tables, and the legend."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(_screen_table("Cost", report.rows, cost_columns()))
    console.print(_screen_table("Scores and training", report.rows, score_columns(report.primary_metrics)))
    for line in report.legend:
        console.print(f"- {line}", style="dim", markup=False, highlight=False)


def report_json(report: Report) -> str:
    """Return the report as JSON text."""
    return json.dumps(to_json_value(report_content(report)), indent=2)


def report_content(report: Report) -> dict[str, Any]:
    """Return the report as plain types, with unrounded numbers."""
    values = {"headline" if key == "primary_metrics" else key: value for key, value in asdict(report).items()}
    return {"format": 1, **values, "main_score": report.primary_metrics.main, "legend": report.legend}


def find_caveats(rows: Sequence[ReportRow], groups: Sequence[Sequence[TrainedRun]], *, same_table: bool) -> list[str]:
    """Return sentences on what limits the comparison.

    Args:
        rows: Rows of the report.
        groups: Runs of the rows.
        same_table: Whether all runs were scored on one table for the report.
    """
    runs = [run for group in groups for run in group]
    notes = [] if same_table else _caveats_on_tables(runs)
    if len({row.chip for row in rows}) > 1:
        chips = "; ".join(f"{row.name} {describe_chip(row.chip)}" for row in rows)
        notes.append(f"operations and times are for chips of different sizes: {chips}")
    for group in groups:
        if len({run.seed for run in group}) < len(group):
            names = ", ".join(run.name for run in group)
            notes.append(f"runs of one row share a seed, so their deviation is not one over seeds: {names}")
    for run in runs:
        status = run.metadata.get("status")
        if run.metadata.get("mode") == "train" and status != "finished":
            notes.append(f"{run.name}: its training did not finish ({status})")
        if run.file_bytes > 1.5 * run.weight_bytes:
            notes.append(f"{run.name}: the file holds more than weights, such as an optimiser's state")
    if any(row.training["energy_kwh"] is None for row in rows):
        notes.append(ENERGY_HINT)
    return notes


def describe_chip(chip: Sequence[int]) -> str:
    """Return bands, dates, height and width of a chip in words."""
    bands, dates, height, width = chip
    return f"{counted(bands, 'band')} × {counted(dates, 'date')} × {height} × {width} pixels"


def _caveats_on_tables(runs: Sequence[TrainedRun]) -> list[str]:
    notes = []
    if len({run.scored_table for run in runs} - {None}) > 1:
        notes.append(
            "the scores were computed on different tables and cannot be compared; score all runs on one with --table"
        )
    unknown = [run.name for run in runs if run.scored_table is None]
    if unknown:
        notes.append(f"it is unknown which table the scores were computed on: {', '.join(unknown)}")
    return notes


def _screen_table(title: str, rows: Sequence[ReportRow], columns: Sequence[Column]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("network", overflow="fold", min_width=14)
    for number, column in enumerate(columns):
        table.add_column(column.title, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(row.name, *(column.text(row).replace(" ± ", "\n± ") for column in columns))
    return table
