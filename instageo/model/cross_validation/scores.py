"""Scores over folds and seeds: mean, deviation over folds and deviation over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instageo.model.cross_validation.pooling import pool_scores
from instageo.model.runs.rows import PrimaryMetrics, Spread

SHOWN_PER_CLASS = ("iou", "f1", "precision", "recall")
"""Scores per class that are summarised."""


@dataclass(frozen=True)
class ScoreSummary:
    """One score over folds and seeds.

    Attributes:
        by_fold: Mean and deviation over seeds in each fold; None for a fold without this score.
        folds: Mean and sample standard deviation over the folds' means; folds without the score are left out. None if
            no fold has it.
        seed_std: Deviation over seeds within a fold: root of the mean of the folds' variances; None for one seed.
        pooled: The score of all test chips together, mean and deviation over seeds; None if it cannot be pooled.
    """

    by_fold: tuple[Spread | None, ...]
    folds: Spread | None
    seed_std: float | None
    pooled: Spread | None

    @classmethod
    def of(cls, values: Sequence[Sequence[float | None]], pooled: Sequence[float | None]) -> "ScoreSummary":
        """Summarise a score.

        Args:
            values: One sequence per fold, with the score of each seed.
            pooled: The pooled score of each seed.
        """
        by_fold = tuple(Spread.of(seeds) for seeds in values)
        scored_folds = [spread for spread in by_fold if spread is not None]
        deviations = [spread.std for spread in scored_folds if spread.std is not None]
        seed_std = math.sqrt(statistics.fmean(std**2 for std in deviations)) if deviations else None
        return cls(by_fold, Spread.of([spread.mean for spread in scored_folds]), seed_std, Spread.of(pooled))


@dataclass(frozen=True)
class FoldScores:
    """Scores of one training on the test chips of its fold.

    Attributes:
        fold: Name of the fold.
        seed: Its seed.
        run: Folder of the training.
        chips: Test chips.
        labels: Labelled pixels, or labelled chips, that count.
        content: Content of `metrics.json`.
        apart_km: Least distance between its test chips and its training chips, at least; None if it is unknown.
        touching: Number of its test chips that overlap or touch training chips.
    """

    fold: str
    seed: int | None
    run: str
    chips: int
    labels: int
    content: Mapping[str, Any]
    apart_km: float | None = None
    touching: int = 0


@dataclass(frozen=True)
class CvScores:
    """Scores of all trainings of a cross-validation.

    Attributes:
        folds: Names of the folds.
        seeds: Seeds; every fold has a training with each of them.
        runs: One per fold and seed, fold by fold.
        summaries: Scores by name, the primary metrics first.
        per_class: Scores of each class, by class and name; empty for a regression.
    """

    folds: tuple[str, ...]
    seeds: tuple[int | None, ...]
    runs: tuple[FoldScores, ...]
    summaries: Mapping[str, ScoreSummary]
    per_class: Mapping[str, Mapping[str, ScoreSummary]]

    def of_fold(self, fold: str) -> list[FoldScores]:
        """Return the trainings of a fold, seed by seed."""
        return [run for run in self.runs if run.fold == fold]


def summarize(runs: Sequence[FoldScores], metrics: PrimaryMetrics) -> CvScores:
    """Summarise trainings, one per fold and seed, in any order.

    Raises:
        ConfigError: The folds differ in their classes.
    """
    folds = tuple(dict.fromkeys(run.fold for run in runs))
    seeds = tuple(dict.fromkeys(run.seed for run in runs))
    table = {(run.fold, run.seed): run for run in runs}
    ordered = [[table[fold, seed] for seed in seeds] for fold in folds]
    pooled = [pool_scores([table[fold, seed].content for fold in folds]) for seed in seeds]
    numbers = [name for name, value in runs[0].content.items() if value is None or isinstance(value, (int, float))]
    names = dict.fromkeys([*metrics.names, *(name for name in numbers if name != "count")])
    return CvScores(
        folds,
        seeds,
        tuple(run for fold in ordered for run in fold),
        {
            name: ScoreSummary.of(
                [[run.content.get(name) for run in fold] for fold in ordered], [each.get(name) for each in pooled]
            )
            for name in names
        },
        {
            label: {
                name: ScoreSummary.of(
                    [[run.content["per_class"][label][name] for run in fold] for fold in ordered],
                    [each["per_class"][label][name] for each in pooled],
                )
                for name in SHOWN_PER_CLASS
            }
            for label in runs[0].content.get("per_class", {})
        },
    )
