"""A report as files and on the screen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from instageo.model.tracking.run_json import to_json_value, write_json
from instageo.model.runs.cost_figure import cost_figure, figure_points
from instageo.model.runs.rows import PrimaryMetrics, ReportRow
from instageo.model.runs.tables import Column, cost_columns, score_label, markdown_table, csv_record, score_columns
from instageo.table import write_table
from collections.abc import Sequence
from instageo.model.runs.rows import ReportRow
from instageo.model.runs.trained_run import TrainedRun



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

    rows: Sequence[ReportRow]
    headline: PrimaryMetrics
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
            f"Δ {score_label(self.headline.main)}: less the teacher's",
            *self.notes,
        ]


def report_content(report: Report) -> dict[str, Any]:
    """The report as plain types, with all numbers in full."""
    told = asdict(report)
    return {"format": 1, **told, "main_score": report.headline.main, "legend": report.legend}


def report_json(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(to_json_value(report_content(report)), indent=2)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write JSON, CSV, Markdown and the figure; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{NAME}.{kind}" for kind in ("json", "csv", "md", "png")]
    write_json(paths[0], report_content(report))
    write_table(paths[1], [csv_record(row, report.headline) for row in report.rows])
    lines = "".join(f"- {line}\n" for line in report.legend)
    paths[2].write_text(f"{markdown_table(report.rows, report.headline)}\n{lines}", encoding="utf-8")
    points = figure_points(report.rows, report.headline)
    if not points:
        return paths[:3]
    cost_figure(points, report.headline, report.chip, paths[3])
    return paths


def print_report(report: Report) -> None:
    """Print cost and scores as two tables, and what their columns are."""
    console = Console()
    console = console if console.is_terminal else Console(width=SCREEN)
    console.print(_table("Cost", report.rows, cost_columns()))
    console.print(_table("Scores and training", report.rows, score_columns(report.headline)))
    for line in report.legend:
        console.print(f"- {line}", style="dim", markup=False, highlight=False)


def _table(title: str, rows: Sequence[ReportRow], columns: Sequence[Column]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("network", overflow="fold", min_width=14)
    for number, column in enumerate(columns):
        table.add_column(column.title, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(row.name, *(column.text(row).replace(" ± ", "\n± ") for column in columns))
    return table

ENERGY_HINT = (
    "energy and CO2 are known of trainings that measured them: train with energy=true energy_country=… (three letters)"
)


def caveats(rows: Sequence[ReportRow], groups: Sequence[Sequence[TrainedRun]], *, scored_anew: bool) -> list[str]:
    """Sentences; `scored_anew` tells that all runs were scored on one table."""
    runs = [run for group in groups for run in group]
    notes = [] if scored_anew else _notes_on_tables(runs)
    sizes = {row.chip for row in rows}
    if len(sizes) > 1:
        told = "; ".join(f"{row.name} {describe_chip(row.chip)}" for row in rows)
        notes.append(f"operations and times are of chips of different sizes: {told}")
    for group in groups:
        seeds = [run.seed for run in group]
        if len(set(seeds)) < len(seeds):
            same = ", ".join(run.name for run in group)
            notes.append(f"runs of one row share a seed, so that their spread is no spread over seeds: {same}")
    for run in runs:
        status = run.account.get("status")
        if run.account.get("mode") == "train" and status != "finished":
            notes.append(f"{run.name}: its training did not finish ({status})")
        if run.file_bytes > 1.5 * run.weight_bytes:
            notes.append(f"{run.name}: the file holds more than weights, such as an optimiser's state")
    if any(row.training["energy_kwh"] is None for row in rows):
        notes.append(ENERGY_HINT)
    return notes


def _notes_on_tables(runs: Sequence[TrainedRun]) -> list[str]:
    tables = {run.scored_table for run in runs}
    unknown = [run.name for run in runs if run.scored_table is None]
    notes = []
    if len(tables - {None}) > 1:
        notes.append("the scores are of different tables, so that they do not compare: score all on one with --table")
    if unknown:
        notes.append(f"nothing tells which table the scores are of: {', '.join(unknown)}")
    return notes


def describe_chip(chip: Sequence[int]) -> str:
    """A chip in words."""
    bands, dates, height, width = chip
    return f"{bands} bands × {dates} date{'s' if dates > 1 else ''} × {height} × {width} pixels"
