"""Means over folds, deviations over folds and seeds, and pooled scores, by hand and against scores of one table."""

import json

import numpy as np
import pytest
import torch

from instageo.errors import ConfigError
from instageo.model.cross_validation.pooling import pool_scores
from instageo.model.cross_validation.scores import FoldScores, ScoreSummary, summarize
from instageo.model.metrics.segmentation import scores_from_confusion
from instageo.model.metrics.summary import summarize_scores
from instageo.model.runs.rows import PrimaryMetrics, Spread
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression
from instageo.model.tasks.segmentation import Segmentation
from instageo.model.tasks.target_scale import TargetScale

METRICS = PrimaryMetrics(("mIoU", "accuracy"), "max")


def content(confusion, names=("land", "water")):
    """Return what metrics.json holds of a confusion matrix."""
    return summarize_scores(scores_from_confusion(torch.tensor(confusion)), names)


def test_deviation_over_folds_and_seeds_by_hand():
    summary = ScoreSummary.of([[0.1, 0.3], [0.5, 0.5], [0.8, 0.8]], [0.4, 0.6])
    assert [spread.mean for spread in summary.by_fold] == pytest.approx([0.2, 0.5, 0.8])
    assert summary.folds.mean == pytest.approx(0.5)
    assert summary.folds.std == pytest.approx(0.3)  # of 0.2, 0.5, 0.8
    assert summary.seed_std == pytest.approx((0.02 / 3) ** 0.5)  # variances 0.02, 0, 0
    assert (summary.pooled.mean, summary.pooled.values) == (0.5, (0.4, 0.6))


def test_a_single_seed_has_no_deviation_over_seeds():
    summary = ScoreSummary.of([[0.2], [0.4]], [0.25])
    assert summary.folds.mean == pytest.approx(0.3)
    assert summary.folds.std == pytest.approx(0.02**0.5)
    assert summary.seed_std is None
    assert summary.pooled == Spread(0.25, None, (0.25,))


def test_folds_without_the_score_are_left_out():
    summary = ScoreSummary.of([[0.2], [None], [0.4]], [None])
    assert summary.by_fold[1] is None
    assert (summary.folds.values, summary.pooled) == ((0.2, 0.4), None)
    assert ScoreSummary.of([[None], [None]], [None]).folds is None


def test_pooled_scores_of_classes_by_hand():
    """Fold 1 has 100 pixels with IoU 0.9 and 0; fold 2 has 4 pixels, all right."""
    first, second = content([[90, 0], [10, 0]]), content([[1, 0], [0, 3]])
    pooled = pool_scores([first, second])
    assert pooled["accuracy"] == pytest.approx(94 / 104)
    assert pooled["per_class"]["land"]["iou"] == pytest.approx(91 / 101)
    assert pooled["per_class"]["water"]["iou"] == pytest.approx(3 / 13)
    assert pooled["mIoU"] == pytest.approx((91 / 101 + 3 / 13) / 2)
    scores = summarize([FoldScores(name, 1, name, 5, 9, each) for name, each in (("a", first), ("b", second))], METRICS)
    assert scores.summaries["mIoU"].folds.mean == pytest.approx((0.45 + 1) / 2)
    assert scores.summaries["mIoU"].pooled.mean == pytest.approx(pooled["mIoU"])
    assert scores.per_class["water"]["iou"].folds.values == (0.0, 1.0)


def test_scores_are_ordered_by_fold_and_seed():
    runs = [
        FoldScores(fold, seed, f"{fold}{seed}", 1, 1, content([[value, 4 - value], [0, 4]]))
        for seed in (7, 8)
        for fold, value in (("b", 4), ("a", seed - 6))
    ]
    scores = summarize(runs, METRICS)
    assert (scores.folds, scores.seeds) == (("b", "a"), (7, 8))
    assert [run.run for run in scores.runs] == ["b7", "b8", "a7", "a8"]
    assert list(scores.summaries)[:2] == ["mIoU", "accuracy"]
    assert scores.summaries["accuracy"].by_fold[1].values == (5 / 8, 6 / 8)
    assert scores.summaries["accuracy"].pooled.values == (13 / 16, 14 / 16)


def test_folds_with_different_classes_are_refused():
    with pytest.raises(ConfigError, match="one fold has the classes land, water, another land, cloud"):
        pool_scores([content([[1, 0], [0, 1]]), content([[1, 0], [0, 1]], ("land", "cloud"))])


def written(task, batches, folder, **options):
    """Return metrics.json of a task's metrics on outputs and labels."""
    metrics = task.build_metrics(**options)
    for outputs, label in batches:
        metrics.update(outputs, label)
    task.write_report(metrics, folder)
    return json.loads((folder / "metrics.json").read_text())


def batches_of(task, source, count):
    if isinstance(task, Regression):
        offset = source.normal() * 5
        labels = torch.tensor(source.gamma(2, 1, (count, 6, 6)) + offset, dtype=torch.float32)
        labels[:, 0] = torch.nan
        outputs = labels[:, None].nan_to_num() + torch.tensor(source.normal(size=(count, 1, 6, 6)), dtype=torch.float32)
    else:
        outputs = torch.tensor(source.normal(size=(count, 3, 6, 6)), dtype=torch.float32)
        shape = (count, 3, 6, 6) if isinstance(task, MultiLabel) else (count, 6, 6)
        labels = torch.tensor(source.integers(-1, 2, shape))
    return list(zip(outputs, labels, strict=True))


@pytest.mark.parametrize(
    "task",
    [
        Segmentation(("a", "b", "c")),
        MultiLabel(("a", "b", "c")),
        Regression(TargetScale(), expected_error=(0.05, 0.15), plot=False),
        Regression(TargetScale(), plot=False),
    ],
    ids=["segmentation", "multilabel", "regression", "without expected error"],
)
def test_pooled_scores_are_those_of_one_table_with_all_chips(task, tmp_path, capsys):
    source = np.random.default_rng(3)
    folds = [batches_of(task, source, count) for count in (1, 4, 2)]
    pooled = pool_scores([written(task, fold, tmp_path / str(number)) for number, fold in enumerate(folds)])
    together = written(task, [batch for fold in folds for batch in fold], tmp_path / "all")
    ranked = {"roc_auc", "mAP"}
    numbers = {name: value for name, value in together.items() if isinstance(value, (int, float))}
    assert pooled.keys() & ranked == set()
    assert {name: pooled[name] for name in numbers.keys() - ranked} == {
        name: pytest.approx(value, rel=1e-9) for name, value in numbers.items() if name not in ranked
    }
    for label, values in together.get("per_class", {}).items():
        for name, value in pooled["per_class"][label].items():
            assert value == (None if values[name] is None else pytest.approx(values[name], rel=1e-12))
