"""Tables of a cross-validation as text: scores by fold, and scores by class."""

from collections.abc import Sequence
from dataclasses import dataclass

from instageo.model.cross_validation.scores import CvScores, ScoreSummary
from instageo.model.inspection.leakage import format_distance
from instageo.model.runs.rows import PrimaryMetrics, Spread
from instageo.model.runs.tables import MISSING, format_score, score_label
from instageo.wording import counted

MEAN_OF_FOLDS, SEEDS, POOLED = "mean of folds ± deviation over folds", "deviation over seeds", "all test chips pooled"
"""Names of the rows below the folds."""


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        title: What it shows.
        head: Names of the columns.
        rows: Cells of each row.
        summary_rows: How many of the last rows sum up the others.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    summary_rows: int = 0

    def to_markdown(self) -> str:
        """Return the table in Markdown, the first column to the left and the others to the right."""
        lines = [self.head, ["---", *["--:"] * (len(self.head) - 1)], *self.rows]
        text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        return f"## {self.title}\n\n{text}\n"


def fold_table(scores: CvScores, metrics: PrimaryMetrics) -> TextTable:
    """Return the primary metrics of each fold, their mean over folds, and those of all test chips together."""
    rows = []
    for number, fold in enumerate(scores.folds):
        first = scores.of_fold(fold)[0]
        apart = (
            MISSING if first.apart_km is None else f"{'' if first.touching else '≥ '}{format_distance(first.apart_km)}"
        )
        values = [format_score(scores.summaries[name].by_fold[number], name) for name in metrics.names]
        rows.append([fold, str(first.chips), str(first.labels), apart, *values])
    chips, labels = (
        sum(getattr(scores.of_fold(fold)[0], name) for fold in scores.folds) for name in ("chips", "labels")
    )
    totals = [str(chips), str(labels), ""]
    ends = [[MEAN_OF_FOLDS, "", "", "", *(format_score(scores.summaries[name].folds, name) for name in metrics.names)]]
    if len(scores.seeds) > 1:
        ends.append([SEEDS, "", "", "", *(_deviation(scores.summaries[name], name) for name in metrics.names)])
    ends.append([POOLED, *totals, *(format_score(scores.summaries[name].pooled, name) for name in metrics.names)])
    head = ["fold", "test chips", "labels", "from training", *map(score_label, metrics.names)]
    title = f"{counted(len(scores.folds), 'fold')}" + (
        f", mean ± deviation over {counted(len(scores.seeds), 'seed')}" if len(scores.seeds) > 1 else ""
    )
    return TextTable(title, head, [*rows, *ends], len(ends))


def class_table(scores: CvScores) -> TextTable:
    """Return the scores of each class: mean and deviation over folds, and the IoU of all test chips together."""
    names = list(next(iter(scores.per_class.values())))
    rows = []
    for label, summaries in scores.per_class.items():
        folds = summaries[names[0]].folds
        rows.append(
            [
                label,
                f"{0 if folds is None else len(folds.values)} of {len(scores.folds)}",
                *(format_score(summaries[name].folds, name) for name in names),
                format_score(summaries[names[0]].pooled, names[0]),
            ]
        )
    head = ["class", "folds with it", *map(class_label, names), f"{class_label(names[0])}, pooled"]
    return TextTable("Classes, mean ± deviation over folds", head, rows)


def class_label(name: str) -> str:
    """Return how a score of a class is written."""
    return "IoU" if name == "iou" else score_label(name)


def _deviation(summary: ScoreSummary, name: str) -> str:
    if summary.seed_std is None or summary.folds is None:
        return MISSING
    mean_and_deviation = format_score(Spread(summary.folds.mean, summary.seed_std, ()), name)
    return f"± {mean_and_deviation.partition(' ± ')[2]}"
