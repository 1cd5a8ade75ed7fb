"""Multi-label scores agree with scikit-learn; ignored or absent labels do not count."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics
import torch

from instageo.model.metrics.multilabel import MultiLabelMetrics, scores_from_pairs
from instageo.model.metrics.summary import summarize_scores
from tests.forked_calls import run_in_two

NAN = math.nan


def random_samples(labels=5, count=3000, *, scale=1.0, ignore_index=-1, ignored=0.2, seed=0):
    """Return logits (N, K, 1, 1) correlated with the truth, and labels, rarer ones last, of which some are ignored."""
    source = np.random.default_rng(seed)
    truth = (source.random((count, labels)) < np.linspace(0.6, 0.1, labels)).astype(int)
    logits = scale * (source.standard_normal(truth.shape) + 2 * truth - 1)
    label = np.where(source.random(truth.shape) < ignored, ignore_index, truth)
    return torch.from_numpy(logits.astype(np.float32))[..., None, None], torch.from_numpy(label)[..., None, None]


def compute_scores(logits, label, ignore_index=-1, **options):
    metrics = MultiLabelMetrics(logits.shape[-3], ignore_index, **options)
    metrics.update(logits, label)
    return metrics.compute()


@pytest.mark.parametrize("ignore_index", [-1, 255])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
@pytest.mark.parametrize("labels", [1, 5])
def test_scores_per_label_equal_those_of_scikit_learn(labels, threshold, ignore_index):  # pitfall 11
    logits, label = random_samples(labels, ignore_index=ignore_index)
    scores = compute_scores(logits, label, ignore_index, threshold=threshold)
    probabilities = torch.sigmoid(logits.double())
    for number in range(labels):
        counted = (label[:, number] != ignore_index).flatten()
        true = label[counted, number].flatten().numpy()
        likely = probabilities[counted, number].flatten().numpy()
        pair = true, likely > threshold
        for name, expected in {
            "iou": sklearn.metrics.jaccard_score(*pair),
            "f1": sklearn.metrics.f1_score(*pair),
            "precision": sklearn.metrics.precision_score(*pair),
            "recall": sklearn.metrics.recall_score(*pair),
            "support": true.sum(),
        }.items():
            assert scores[f"{name}_per_class"][number].item() == pytest.approx(expected, rel=1e-12)
        assert (scores["confusion_matrix"][number].numpy() == sklearn.metrics.confusion_matrix(*pair)).all()
        roc, precision = scores["roc_auc_per_class"][number].item(), scores["ap_per_class"][number].item()
        assert roc == pytest.approx(sklearn.metrics.roc_auc_score(true, likely), abs=1e-3)
        assert precision == pytest.approx(sklearn.metrics.average_precision_score(true, likely), abs=1e-3)


@pytest.mark.parametrize("labels", [2, 5])  # a single label is another task to scikit-learn
def test_means_equal_those_of_scikit_learn(labels):
    logits, label = random_samples(labels, ignored=0)
    scores = compute_scores(logits, label)
    pair = label.flatten(1).numpy(), (logits > 0).int().flatten(1).numpy()
    assert scores["accuracy"].item() == pytest.approx(sklearn.metrics.accuracy_score(*pair), rel=1e-12)
    assert scores["f1_micro"].item() == pytest.approx(sklearn.metrics.f1_score(*pair, average="micro"), rel=1e-12)
    for name, reference in {
        "mIoU": sklearn.metrics.jaccard_score,
        "f1": sklearn.metrics.f1_score,
        "precision": sklearn.metrics.precision_score,
        "recall": sklearn.metrics.recall_score,
    }.items():
        assert scores[name].item() == pytest.approx(reference(*pair, average="macro"), rel=1e-12)
    ranks = pair[0], logits.flatten(1).numpy()
    assert scores["roc_auc"].item() == pytest.approx(sklearn.metrics.roc_auc_score(*ranks), abs=1e-3)
    assert scores["mAP"].item() == pytest.approx(sklearn.metrics.average_precision_score(*ranks), abs=1e-3)


@pytest.mark.parametrize(
    ("scale", "count"), [(0.1, 20_000), (0.3, 20_000), (3, 20_000), (20, 20_000), (0.3, 60), (3, 60), (20, 60)]
)
@pytest.mark.parametrize("tied", [False, True])
def test_rank_scores_with_extreme_few_or_tied_logits(scale, count, tied):
    logits, label = random_samples(3, count, ignored=0)
    logits = scale * ((3 * logits).round() / 3 if tied else logits)
    scores, ranks = compute_scores(logits, label), logits.flatten(1).numpy()
    truth = label.flatten(1).numpy()
    expected = sklearn.metrics.average_precision_score(truth, ranks, average=None)
    np.testing.assert_allclose(scores["ap_per_class"], expected, atol=1e-3)
    np.testing.assert_allclose(
        scores["roc_auc_per_class"], sklearn.metrics.roc_auc_score(truth, ranks, average=None), atol=1e-3
    )


def test_scores_by_hand():
    """Three chips of two labels: all right; one of two wrong; one ignored, the other right. A fourth has no label."""
    label = torch.tensor([[1, 0], [1, 1], [-1, 0], [-1, -1]])
    logits = torch.tensor([[2.0, -1.0], [3.0, -2.0], [9.0, -9.0], [9.0, 9.0]])
    scores = compute_scores(logits[..., None, None], label[..., None, None])
    assert scores["accuracy"].item() == pytest.approx(2 / 3)
    assert scores["confusion_matrix"].tolist() == [[[0, 0], [0, 2]], [[2, 0], [1, 0]]]
    np.testing.assert_allclose(scores["f1_per_class"], [1, 0])
    np.testing.assert_allclose(scores["precision_per_class"], [1, NAN])
    np.testing.assert_allclose(scores["recall_per_class"], [1, 0])
    assert scores["f1_micro"].item() == pytest.approx(4 / 5)
    np.testing.assert_allclose(scores["ap_per_class"], [1, 1 / 2])  # two samples of three rank as high or higher
    np.testing.assert_allclose(scores["roc_auc_per_class"], [NAN, 1 / 2])
    assert scores["support_per_class"].tolist() == [2, 1]


def test_an_absent_label_is_left_out_of_means():  # pitfall 22
    scores = scores_from_pairs(torch.tensor([[[3, 1], [1, 3]], [[8, 0], [0, 0]]]), torch.tensor([8, 6]))
    np.testing.assert_allclose(scores["iou_per_class"], [3 / 5, NAN])
    assert scores["mIoU"].item() == pytest.approx(3 / 5)
    assert scores["f1"].item() == scores["recall"].item() == pytest.approx(3 / 4)


def test_pixels_and_batches_give_the_same_scores_as_chips():  # pitfall 23
    logits, label = random_samples(4, 60)
    whole, parts = compute_scores(logits, label), MultiLabelMetrics(4)
    for some in zip(logits.split(7), label.split(7), strict=True):
        parts.update(*some)
    image = (tensor.view(6, 10, 4).permute(2, 0, 1) for tensor in (logits, label))
    for other in (parts.compute(), compute_scores(*image)):
        assert all(torch.equal(other[name].nan_to_num(-1), value.nan_to_num(-1)) for name, value in whole.items())


def count_share(rank, folder, chips):
    """Count one process's share of the chips, and save the scores of all."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metrics = MultiLabelMetrics(3)
    for logits, label in chips[rank]:
        metrics.update(logits, label)
    torch.save(metrics.compute(), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(tmp_path):  # pitfall 23
    chips = [random_samples(3, 50, seed=seed) for seed in range(5)]
    run_in_two(tmp_path, count_share, tmp_path, (chips[:3], chips[3:]))
    alone = MultiLabelMetrics(3)
    for logits, label in chips:
        alone.update(logits, label)
    for rank in (0, 1):
        scores = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.compute().items():  # counts exactly; sums depend on the order of threads
            assert torch.equal(scores[name], value) or torch.allclose(scores[name], value, rtol=1e-12, atol=0)
            assert value.is_floating_point() or torch.equal(scores[name], value)


def test_without_labels_scores_are_nan():  # pitfall 21
    scores = compute_scores(torch.randn(3, 4, 4), torch.full((3, 4, 4), -1))
    names = ("accuracy", "mIoU", "f1", "f1_micro", "precision", "recall", "roc_auc", "mAP")
    assert all(scores[name].isnan() for name in names)


def test_histograms_are_optional():  # pitfall 24
    scores = compute_scores(*random_samples(), ranks=False)
    assert not {"roc_auc", "mAP", "roc_auc_per_class", "ap_per_class"} & scores.keys()


def test_inputs_are_unchanged_and_reset_forgets():
    logits, label = random_samples()
    before = logits.clone()
    metrics = MultiLabelMetrics(5)
    metrics.update(logits[0], label[0])
    assert torch.equal(logits, before)
    metrics.reset()
    assert metrics.compute()["confusion_matrix"].sum() == 0
    assert metrics.compute()["accuracy"].isnan()


def test_a_summary_is_json_without_nan():  # pitfall 22
    content = summarize_scores(
        compute_scores(torch.tensor([1.0, -1.0]).view(2, 1, 1), torch.tensor([1, 0]).view(2, 1, 1)), ["a", "b"]
    )
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["accuracy"] == content["mAP"] == 1
    assert content["per_class"]["b"] == {
        "iou": None, "f1": None, "precision": None, "recall": None, "support": 0, "roc_auc": None, "ap": None,
    }  # fmt: skip
    assert content["confusion_matrix"] == [[[0, 0], [0, 1]], [[1, 0], [0, 0]]]


def test_the_most_extreme_logits_count():
    """One sample of the label lies above one and below another of the two without it."""
    logits, label = torch.tensor([1.0, -1e4, 1e4]), torch.tensor([1, 0, 0])
    scores = compute_scores(logits.view(3, 1, 1, 1), label.view(3, 1, 1, 1))
    assert scores["roc_auc"] == scores["mAP"] == 1 / 2
    scores = compute_scores(-logits.view(3, 1, 1, 1), 1 - label.view(3, 1, 1, 1))
    assert scores["roc_auc"] == 1 / 2
