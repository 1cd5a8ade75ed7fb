"""Segmentation scores agree with scikit-learn, count every labelled pixel once, and are NaN where undefined."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.model.metrics.segmentation import SegmentationMetrics, highest_class, scores_from_confusion
from instageo.model.metrics.summary import summarize_scores
from tests.forked_calls import run_in_two

NAN = math.nan


def random_images(classes, *, scale=1.0, ignore_index=-1, seed=0):
    """Return logits (2, K, 40, 50) correlated with the truth, and labels of which a fifth is ignored."""
    source = np.random.default_rng(seed)
    truth = source.choice(classes, (2, 40, 50), p=np.arange(1, classes + 1) / sum(range(classes + 1)))
    logits = source.standard_normal((2, classes, 40, 50)) + (truth[:, None] == np.arange(classes)[:, None, None])
    label = np.where(source.random(truth.shape) < 0.2, ignore_index, truth)
    return torch.from_numpy((scale * logits).astype(np.float32)), torch.from_numpy(label)


def compute_scores(logits, label, classes, ignore_index=-1, **options):
    metrics = SegmentationMetrics(classes, ignore_index, **options)
    metrics.update(logits, label)
    return metrics.compute()


@pytest.mark.parametrize("ignore_index", [-1, 255])
@pytest.mark.parametrize("classes", [2, 3, 13])  # pitfall 8
def test_scores_equal_those_of_scikit_learn(classes, ignore_index):  # pitfall 11
    logits, label = random_images(classes, ignore_index=ignore_index)
    scores = compute_scores(logits, label, classes, ignore_index)
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


def test_scores_by_hand():
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
def test_scores_of_absent_classes(confusion, iou, precision, recall, mean_iou):  # pitfall 22
    scores = scores_from_confusion(torch.tensor(confusion))
    np.testing.assert_allclose(scores["iou_per_class"], iou)
    np.testing.assert_allclose(scores["precision_per_class"], precision)
    np.testing.assert_allclose(scores["recall_per_class"], recall)
    assert scores["mIoU"].item() == pytest.approx(mean_iou)


@settings(max_examples=40)
@given(st.integers(2, 5), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 99))
def test_batches_give_the_scores_of_the_whole(classes, widths, seed):  # pitfalls 20, 23
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(classes, 3, sum(widths), generator=source)
    label = torch.randint(-1, classes, (3, sum(widths)), generator=source)
    parts, whole = SegmentationMetrics(classes), SegmentationMetrics(classes)
    for image, truth in zip(logits.split(widths, -1), label.split(widths, -1), strict=True):
        parts.update(image, truth)
    whole.update(logits[None], label[None])
    assert torch.equal(parts.confusion, whole.confusion)
    assert torch.equal(parts.histogram.sum(-1), whole.histogram.sum(-1))
    assert parts.confusion.sum() == (label >= 0).sum()
    assert parts.histogram.sum() == classes * (label >= 0).sum()
    areas = parts.compute()["roc_auc_per_class"], whole.compute()["roc_auc_per_class"]
    np.testing.assert_allclose(*areas, atol=0.01)  # the last bit of a sum may depend on where its pixel lies


def test_counts_do_not_drift():  # pitfall 23
    metrics = SegmentationMetrics(2, roc=False)
    metrics.confusion.add_(torch.tensor([[2**30, 0], [0, 2**30]]))  # float32 would swallow what follows
    metrics.update(torch.tensor([0.0, 1.0]).view(2, 1, 1), torch.tensor([[0]]))
    scores = metrics.compute()
    assert scores["confusion_matrix"].tolist() == [[2**30, 1], [0, 2**30]]
    assert scores["accuracy"].item() == 2**31 / (2**31 + 1)


def count_share(rank, folder, chips):
    """Score one process's share of the chips, and save the scores of all."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metrics = SegmentationMetrics(3)
    for logits, label in chips[rank]:
        metrics.update(logits, label)
    before = metrics.confusion.clone()
    scores = metrics.compute()
    assert torch.equal(metrics.confusion, before)
    torch.save(scores, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("split", [3, 5])  # at 5 the second process has no chip
def test_two_processes_give_the_scores_of_one(tmp_path, split):  # pitfall 23
    chips = [random_images(3, seed=seed) for seed in range(5)]
    run_in_two(tmp_path, count_share, tmp_path, (chips[:split], chips[split:]))
    alone = SegmentationMetrics(3)
    for logits, label in chips:
        alone.update(logits, label)
    expected = alone.compute()
    for rank in (0, 1):
        scores = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert scores.keys() == expected.keys()
        for name, value in expected.items():  # counts exactly; sums depend on the order of threads
            exact = not value.is_floating_point()
            torch.testing.assert_close(scores[name], value, rtol=0 if exact else 1e-12, atol=0, equal_nan=True)


def test_without_sync_a_process_scores_its_own_share(tmp_path, monkeypatch):
    monkeypatch.setattr(
        torch.distributed, "all_reduce", lambda counts: counts.mul_(2)
    )  # as if another process had the same
    torch.distributed.init_process_group("gloo", f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        logits, label = random_images(3)
        counted = int((label >= 0).sum())
        for sync, expected in ((True, 2 * counted), (False, counted)):
            assert compute_scores(logits, label, 3, sync=sync)["confusion_matrix"].sum() == expected
    finally:
        torch.distributed.destroy_process_group()


def test_an_image_without_labels_counts_nothing():  # pitfall 21
    metrics = SegmentationMetrics(3)
    metrics.update(torch.randn(3, 4, 4), torch.full((4, 4), -1))
    assert metrics.confusion.sum() == 0
    scores = metrics.compute()
    assert all(scores[name].isnan() for name in ("accuracy", "mIoU", "f1", "precision", "recall", "roc_auc"))


def test_more_than_128_classes():  # pitfall 4
    logits, label = torch.zeros(200, 1, 2), torch.tensor([[199, 128]])
    logits[199] = 1
    confusion = compute_scores(logits, label, 200)["confusion_matrix"]
    assert confusion.nonzero().tolist() == [[128, 199], [199, 199]]


def test_histograms_are_optional():  # pitfall 24
    logits, label = random_images(3)
    metrics = SegmentationMetrics(3, roc=False)
    metrics.update(logits, label)
    assert metrics.histogram.numel() == 0
    assert not any(name.startswith("roc_auc") for name in metrics.compute())


def test_reset_forgets():
    metrics = SegmentationMetrics(3)
    metrics.update(*random_images(3))
    metrics.reset()
    assert not metrics.confusion.any()
    assert not metrics.histogram.any()


def test_a_summary_is_json_without_nan():  # pitfall 22
    content = summarize_scores(
        compute_scores(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1), torch.tensor([[0]]), 3), ["a", "b", "c"]
    )
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["mIoU"] == 1
    assert content["roc_auc"] is None
    assert content["confusion_matrix"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    nothing = {"iou": None, "f1": None, "precision": None, "recall": None, "support": 0, "roc_auc": None}
    assert content["per_class"]["b"] == content["per_class"]["c"] == nothing
    assert content["per_class"]["a"] == {"iou": 1, "f1": 1, "precision": 1, "recall": 1, "support": 1, "roc_auc": None}


@pytest.mark.parametrize("classes", [2, 3, 13])
def test_half_precision_logits_score_as_the_same_values_in_float32(classes):
    logits, label = random_images(classes)
    half = logits.bfloat16()
    scores, expected = compute_scores(half, label, classes), compute_scores(half.float(), label, classes)
    assert all(torch.equal(scores[name], expected[name]) for name in expected)


@given(st.integers(2, 300), st.integers(1, 4), st.integers(0, 99))
def test_highest_class_equals_argmax(classes, num_values, seed):
    logits = np.random.default_rng(seed).integers(0, num_values, (classes, 3, 7))  # few values: many are equal
    assert highest_class(torch.from_numpy(logits).float()).tolist() == logits.argmax(0).tolist()
