"""Scores agree with scikit-learn, count every labelled pixel once, and have no value where none can be had."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.metrics.segmentation import SegmentationMetrics, roc_auc, scores_from_confusion, summary

NAN = math.nan


def drawn(classes, *, scale=1.0, ignore_index=-1, seed=0):
    """Logits that know something of the truth, and labels of which a fifth is ignored."""
    source = np.random.default_rng(seed)
    truth = source.choice(classes, (2, 40, 50), p=np.arange(1, classes + 1) / sum(range(classes + 1)))
    logits = source.standard_normal((2, classes, 40, 50)) + (truth[:, None] == np.arange(classes)[:, None, None])
    label = np.where(source.random(truth.shape) < 0.2, ignore_index, truth)
    return torch.from_numpy((scale * logits).astype(np.float32)), torch.from_numpy(label)


def scored(logits, label, classes, ignore_index=-1, **options):
    metrics = SegmentationMetrics(classes, ignore_index, **options)
    metrics.update(logits, label)
    return metrics.compute()


@pytest.mark.parametrize("ignore_index", [-1, 255])
@pytest.mark.parametrize("classes", [2, 3, 13])  # pitfall 8
def test_the_same_as_scikit_learn(classes, ignore_index):  # pitfall 11
    logits, label = drawn(classes, ignore_index=ignore_index)
    scores = scored(logits, label, classes, ignore_index)
    counted = (label != ignore_index).numpy()
    pair = label.numpy()[counted], logits.argmax(1).numpy()[counted]
    np.testing.assert_array_equal(scores["confusion_matrix"], sklearn.metrics.confusion_matrix(*pair))
    assert scores["accuracy"].item() == pytest.approx(sklearn.metrics.accuracy_score(*pair), rel=1e-12)
    for name, column, reference in [
        ("mIoU", "iou", sklearn.metrics.jaccard_score),
        ("f1", "f1", sklearn.metrics.f1_score),
        ("precision", "precision", sklearn.metrics.precision_score),
        ("recall", "recall", sklearn.metrics.recall_score),
    ]:
        np.testing.assert_allclose(scores[f"{column}_per_class"], reference(*pair, average=None), rtol=1e-12)
        assert scores[name].item() == pytest.approx(reference(*pair, average="macro"), rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 13])
@pytest.mark.parametrize("scale", [1, 3, 10])  # a well trained network is sure of itself: logits far apart
def test_roc_auc_is_that_of_scikit_learn(classes, scale):
    logits, label = drawn(classes, scale=scale)
    scores = scored(logits, label, classes)
    counted = (label >= 0).numpy()
    truth, ranks = label.numpy()[counted], logits.double().log_softmax(1).movedim(1, -1).numpy()[counted]
    expected = [sklearn.metrics.roc_auc_score(truth == number, ranks[:, number]) for number in range(classes)]
    np.testing.assert_allclose(scores["roc_auc_per_class"], expected, atol=1e-3)
    assert scores["roc_auc"].item() == pytest.approx(np.mean(expected), abs=1e-3)


def test_by_hand():
    """Rows are the truth: class 0 has 3 hits of 4, class 1 has 1 of 2, class 2 does not occur."""
    scores = scores_from_confusion(torch.tensor([[3, 1, 0], [1, 1, 0], [0, 0, 0]]))
    assert scores["accuracy"].item() == pytest.approx(4 / 6)
    np.testing.assert_allclose(scores["iou_per_class"], [3 / 5, 1 / 3, NAN])
    np.testing.assert_allclose(scores["f1_per_class"], [6 / 8, 2 / 4, NAN])
    np.testing.assert_allclose(scores["precision_per_class"], [3 / 4, 1 / 2, NAN])
    np.testing.assert_allclose(scores["recall_per_class"], [3 / 4, 1 / 2, NAN])
    assert scores["support_per_class"].tolist() == [4, 2, 0]
    assert scores["mIoU"].item() == pytest.approx((3 / 5 + 1 / 3) / 2)  # pitfall 22


@pytest.mark.parametrize(
    ("confusion", "iou", "precision", "recall", "mean_iou"),
    [
        ([[2, 2], [0, 0]], [0.5, 0], [1, 0], [0.5, NAN], 0.25),  # class 1 only predicted: IoU 0, no recall
        ([[2, 0], [2, 0]], [0.5, 0], [0.5, NAN], [1, 0], 0.25),  # class 1 never predicted: IoU 0, no precision
        ([[4, 0], [0, 0]], [1, NAN], [1, NAN], [1, NAN], 1),  # class 1 absent from both
    ],
)
def test_absent_classes(confusion, iou, precision, recall, mean_iou):  # pitfall 22
    scores = scores_from_confusion(torch.tensor(confusion))
    np.testing.assert_allclose(scores["iou_per_class"], iou)
    np.testing.assert_allclose(scores["precision_per_class"], precision)
    np.testing.assert_allclose(scores["recall_per_class"], recall)
    assert scores["mIoU"].item() == pytest.approx(mean_iou)


@pytest.mark.parametrize(
    ("rest", "own", "expected"),
    [
        ([2, 0, 0], [0, 0, 2], 1),
        ([0, 0, 2], [2, 0, 0], 0),
        ([0, 3, 0], [0, 5, 0], 0.5),  # ties count half
        ([1, 1, 0], [0, 1, 1], (0.5 + 1 + 1 + 1) / 4),
        ([0, 0, 0], [1, 1, 0], NAN),
        ([1, 1, 0], [0, 0, 0], NAN),
    ],
)
def test_roc_auc_by_hand(rest, own, expected):
    np.testing.assert_allclose(roc_auc(torch.tensor([[rest, own]])), [expected])


@given(st.integers(2, 5), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 99))
def test_parts_give_the_scores_of_the_whole(classes, widths, seed):  # pitfalls 20, 23
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(classes, 3, sum(widths), generator=source)
    label = torch.randint(-1, classes, (3, sum(widths)), generator=source)
    parts, whole = SegmentationMetrics(classes), SegmentationMetrics(classes)
    for image, truth in zip(logits.split(widths, -1), label.split(widths, -1), strict=True):
        parts.update(image, truth)
    whole.update(logits[None], label[None])
    assert torch.equal(parts.confusion, whole.confusion)
    assert torch.equal(parts.histogram, whole.histogram)
    assert parts.confusion.sum() == (label >= 0).sum()
    assert parts.histogram.sum() == classes * (label >= 0).sum()


def test_counts_do_not_drift():  # pitfall 23
    metrics = SegmentationMetrics(2, roc=False)
    metrics.confusion += torch.tensor([[2**30, 0], [0, 2**30]])  # float32 would swallow what follows
    metrics.update(torch.tensor([0.0, 1.0]).view(2, 1, 1), torch.tensor([[0]]))
    scores = metrics.compute()
    assert scores["confusion_matrix"].tolist() == [[2**30, 1], [0, 2**30]]
    assert scores["accuracy"].item() == 2**31 / (2**31 + 1)


def test_states_are_summed_over_devices():  # pitfall 23
    metrics = SegmentationMetrics(3)
    assert set(metrics._reductions) == {"confusion", "histogram"}
    assert all(reduce(torch.ones(2, 4)).tolist() == [2, 2, 2, 2] for reduce in metrics._reductions.values())


def test_an_image_without_labels_counts_nothing():  # pitfall 21
    metrics = SegmentationMetrics(3)
    metrics.update(torch.randn(3, 4, 4), torch.full((4, 4), -1))
    assert metrics.confusion.sum() == 0
    scores = metrics.compute()
    assert all(scores[name].isnan() for name in ("accuracy", "mIoU", "f1", "precision", "recall", "roc_auc"))


def test_more_than_128_classes():  # pitfall 4
    logits, label = torch.zeros(200, 1, 2), torch.tensor([[199, 128]])
    logits[199] = 1
    confusion = scored(logits, label, 200)["confusion_matrix"]
    assert confusion.nonzero().tolist() == [[128, 199], [199, 199]]


def test_probabilities_are_kept_on_request_alone():  # pitfall 24
    logits, label = drawn(3)
    metrics = SegmentationMetrics(3, roc=False)
    metrics.update(logits, label)
    assert metrics.histogram.numel() == 0
    assert not any(name.startswith("roc_auc") for name in metrics.compute())


def test_reset_forgets():
    metrics = SegmentationMetrics(3)
    metrics.update(*drawn(3))
    metrics.reset()
    assert not metrics.confusion.any()
    assert not metrics.histogram.any()


def test_a_summary_is_json_without_nan():  # pitfall 22
    content = summary(scored(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1), torch.tensor([[0]]), 3), ["a", "b", "c"])
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["mIoU"] == 1
    assert content["roc_auc"] is None
    assert content["confusion_matrix"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    nothing = {"iou": None, "f1": None, "precision": None, "recall": None, "support": 0, "roc_auc": None}
    assert content["per_class"]["b"] == content["per_class"]["c"] == nothing
    assert content["per_class"]["a"] == {"iou": 1, "f1": 1, "precision": 1, "recall": 1, "support": 1, "roc_auc": None}
