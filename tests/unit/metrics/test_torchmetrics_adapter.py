"""Scores as torchmetrics: the same numbers, batch by batch, merged over processes as torchmetrics does it."""

import pytest
import torch
from torch.testing import assert_close

from instageo.model import MultiLabelMetric, RegressionMetric, SegmentationMetric
from instageo.model.metrics.multilabel import MultiLabelMetrics
from instageo.model.metrics.regression import RegressionMetrics
from instageo.model.metrics.segmentation import SegmentationMetrics

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(4, 3, 8, 8, generator=GENERATOR)
CLASSES = torch.randint(-1, 3, (4, 8, 8), generator=GENERATOR)
APPLIES = torch.randint(-1, 2, (4, 3, 8, 8), generator=GENERATOR)
VALUES = torch.randn(4, 8, 8, generator=GENERATOR)
TRUTH = (VALUES + torch.randn(4, 8, 8, generator=GENERATOR)).masked_fill(CLASSES < 0, torch.nan)

CASES = {
    "segmentation": (
        lambda: SegmentationMetric(3, roc=True), lambda: SegmentationMetrics(3, sync=False), LOGITS, CLASSES,
    ),
    "two labels": (lambda: MultiLabelMetric(3), lambda: MultiLabelMetrics(3, sync=False), LOGITS, APPLIES),
    "regression": (
        lambda: RegressionMetric(expected_error=(0.1, 0.2)),
        lambda: RegressionMetrics(expected_error=(0.1, 0.2), sync=False),
        VALUES, TRUTH,
    ),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def expected_scores(build, outputs, labels):
    metrics = build()
    for output, label in zip(outputs, labels, strict=True):
        metrics.update(output, label)
    return metrics.compute()


def test_scores_are_those_of_the_program(case):
    build, reference, outputs, labels = case
    metric = build()
    for batch in (slice(0, 1), slice(1, 4)):
        metric.update(outputs[batch], labels[batch])
    assert_close(metric.compute(), expected_scores(reference, outputs, labels), equal_nan=True)


def test_scores_of_a_batch_and_of_all(case):
    build, reference, outputs, labels = case
    metric = build()
    metric(outputs[:2], labels[:2])
    assert_close(metric(outputs[2:], labels[2:]), expected_scores(reference, outputs[2:], labels[2:]), equal_nan=True)
    assert_close(metric.compute(), expected_scores(reference, outputs, labels), equal_nan=True)


def test_a_reset_forgets(case):
    build, reference, outputs, labels = case
    metric = build()
    metric.update(outputs[:1], labels[:1])
    metric.reset()
    metric.update(outputs[1:], labels[1:])
    assert_close(metric.compute(), expected_scores(reference, outputs[1:], labels[1:]), equal_nan=True)


def test_states_of_processes_are_merged(case):
    build, reference, outputs, labels = case
    parts = [build(), build()]
    for metric, batch in zip(parts, (slice(0, 3), slice(3, 4)), strict=True):
        metric.update(outputs[batch], labels[batch])
    merged = build()
    for name, reduction in merged._reductions.items():
        setattr(merged, name, reduction(torch.stack([getattr(metric, name) for metric in parts])))
    merged._update_count = 1
    assert_close(merged.compute(), expected_scores(reference, outputs, labels), equal_nan=True)


def test_options_are_those_of_the_program():
    roc = {"roc_auc", "roc_auc_per_class"}
    for chosen in (True, False):
        metric = SegmentationMetric(3, ignore_index=2, roc=chosen)
        metric.update(LOGITS, CLASSES.clamp(min=0))
        assert metric.compute()["support_per_class"][2] == 0
        assert roc & metric.compute().keys() == (roc if chosen else set())
    metric = MultiLabelMetric(3, ignore_index=0, threshold=0.9)
    metric.update(LOGITS, APPLIES.clamp(min=0))
    assert metric.compute()["support_per_class"].sum() == (APPLIES == 1).sum()
    likely = (LOGITS.sigmoid() > 0.9) & (APPLIES == 1)
    assert metric.compute()["recall_per_class"].mean().item() == pytest.approx(
        (likely.sum((0, 2, 3)) / (APPLIES == 1).sum((0, 2, 3))).mean().item()
    )
    assert "expected_error" not in RegressionMetric()._metrics().compute()


def test_roc_is_left_out_unless_chosen():
    assert SegmentationMetric(2)._counts.roc is False
