"""The report of a cross-validation: written as JSON, CSV, Markdown and PNG, and printed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from instageo.files import write_text
from instageo.model.cross_validation.figure import draw_folds
from instageo.model.cross_validation.scores import CvScores, FoldScores, ScoreSummary
from instageo.model.cross_validation.tables import MEAN_OF_FOLDS, POOLED, SEEDS, TextTable, class_table, fold_table
from instageo.model.runs.rows import PrimaryMetrics
from instageo.model.tracking.run_json import to_json_value, write_json
from instageo.table import write_table

NAMES = {"json": "cv.json", "csv": "cv.csv", "markdown": "cv_report.md", "figure": "cv.png"}
"""Files of the report."""

LEGEND = (
    f"{MEAN_OF_FOLDS}: every fold counts once, however many labels it has; the deviation (sample standard deviation of "
    "the folds' scores) shows how much the score depends on the place that was left out",
    f"{POOLED}: every label counts once, as if all folds were one test table; differs from the mean of folds if folds "
    "differ in size or in their classes, and is not given for scores that rank probabilities, since each fold has a "
    "network of its own",
)

APART_LEGEND = (
    "from training: lower bound of the distance between the footprints of the fold's test and training chips; test "
    "chips close to training chips look much like them, which inflates the score"
)

SEEDS_LEGEND = (
    f"{SEEDS}: of trainings on one fold that differ only in their seed (root of the mean variance of the folds); the "
    "score of a fold is the mean over its seeds"
)

MISSING_LEGEND = "folds without a score, such as that of a class without labels there, are left out of its mean"


@dataclass(frozen=True)
class CvReport:
    """Scores of a cross-validation.

    Attributes:
        task: The task, as a registry names it.
        primary_metrics: The scores that are shown, the main one first.
        scores: Scores of all trainings.
        settings: Settings and flags that all trainings share.
        notes: Caveats for the reader.
    """

    task: str
    primary_metrics: PrimaryMetrics
    scores: CvScores
    settings: Sequence[str]
    notes: Sequence[str]

    @property
    def legend(self) -> list[str]:
        """Explanations of the tables, then the notes."""
        scores = self.scores
        seeds = [SEEDS_LEGEND] if len(scores.seeds) > 1 else []
        missing = [MISSING_LEGEND] if any(None in summary.by_fold for summary in _all_summaries(scores)) else []
        apart = [APART_LEGEND] if any(run.apart_km is not None for run in scores.runs) else []
        settings = [f"settings: {' '.join(self.settings)}"] if self.settings else []
        return [*LEGEND, *seeds, *missing, *apart, *settings, *self.notes]

    @property
    def tables(self) -> list[TextTable]:
        """The table of the folds and, for classes, that of the classes."""
        classes = [class_table(self.scores)] if self.scores.per_class else []
        return [fold_table(self.scores, self.primary_metrics), *classes]


def write_report(report: CvReport, folder: Path) -> list[Path]:
    """Write JSON, CSV, Markdown and the figure, and return their paths."""
    paths = {kind: folder / name for kind, name in NAMES.items()}
    write_json(paths["json"], report_content(report))
    write_table(paths["csv"], list(csv_records(report.scores)))
    legend = "".join(f"- {line}\n" for line in report.legend)
    tables = "\n".join(table.to_markdown() for table in report.tables)
    write_text(paths["markdown"], f"# Cross-validation\n\n{tables}\n![Scores by fold]({NAMES['figure']})\n\n{legend}")
    draw_folds(report.scores, report.primary_metrics, paths["figure"])
    return list(paths.values())


def print_report(report: CvReport) -> None:
    """Print the tables and the legend."""
    console = Console()
    console = console if console.is_terminal else Console(width=100)
    for table in report.tables:
        console.print(_screen_table(table))
    for line in report.legend:
        console.print(f"- {line}", style="dim", markup=False, highlight=False)


def report_json(report: CvReport) -> str:
    """Return the report as JSON text."""
    return json.dumps(to_json_value(report_content(report)), indent=2)


def report_content(report: CvReport) -> dict[str, Any]:
    """Return the report as plain types, with unrounded numbers."""
    scores, metrics = report.scores, report.primary_metrics
    return {
        "format": 1,
        "task": report.task,
        "main_score": metrics.main,
        "primary_metrics": metrics.names,
        "better": metrics.better,
        "settings": list(report.settings),
        "seeds": scores.seeds,
        "folds": {fold: [_run_content(run) for run in scores.of_fold(fold)] for fold in scores.folds},
        "scores": {name: _summary_content(summary) for name, summary in scores.summaries.items()},
        "per_class": {
            label: {name: _summary_content(summary) for name, summary in summaries.items()}
            for label, summaries in scores.per_class.items()
        },
        "legend": report.legend,
    }


def csv_records(scores: CvScores) -> Iterator[dict[str, object]]:
    """Yield a line of a spreadsheet for each training, with unrounded scores."""
    for run in scores.runs:
        values: Mapping[str, object] = {name: run.content.get(name) for name in scores.summaries}
        yield {
            "fold": run.fold,
            "seed": run.seed,
            "test_chips": run.chips,
            "labels": run.labels,
            "at_least_km_from_training": run.apart_km,
            **values,
            "run": run.run,
        }


def _run_content(run: FoldScores) -> dict[str, Any]:
    shown = {name: value for name, value in run.content.items() if name not in ("confusion_matrix", "sums", "samples")}
    apart = {"at_least_km_from_training": run.apart_km, "chips_on_training_ground": run.touching}
    return {"seed": run.seed, "run": run.run, "test_chips": run.chips, "labels": run.labels, **apart, "scores": shown}


def _summary_content(summary: ScoreSummary) -> dict[str, Any]:
    content = asdict(summary)
    return {"mean_of_folds": content["folds"], **{key: content[key] for key in ("seed_std", "pooled", "by_fold")}}


def _all_summaries(scores: CvScores) -> list[ScoreSummary]:
    return [*scores.summaries.values(), *(each for by_name in scores.per_class.values() for each in by_name.values())]


def _screen_table(content: TextTable) -> Table:
    table = Table(title=content.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for number, name in enumerate(content.head):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for number, row in enumerate(content.rows):
        if content.summary_rows and number == len(content.rows) - content.summary_rows:
            table.add_section()
        table.add_row(row[0], *(cell.replace(" ± ", "\n± ") for cell in row[1:]))
    return table
