"""ROC-AUC from histograms equals that of scikit-learn to 1e-3, with extreme, tied or rare logits too."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from instageo.model.metrics.roc import (
    BINS,
    ODDS_BINS,
    average_precision,
    bin_binary,
    bin_log_odds,
    bin_multiclass,
    roc_auc,
)
from instageo.model.metrics.segmentation import SegmentationMetrics

NAN = math.nan


def random_logits(classes, pixels, *, scale=1.0, rarest=1.0, signal=1.0, seed=0):
    """Return logits (K, 1, N) correlated with the truth (1, N), of which class 0 has a share of `rarest` / K."""
    source = np.random.default_rng(seed)
    shares = np.full(classes, (1 - rarest / classes) / (classes - 1))
    shares[0] = rarest / classes
    truth = source.choice(classes, pixels, p=shares)
    logits = source.standard_normal((classes, pixels)) + signal * (truth == np.arange(classes)[:, None])
    return torch.from_numpy((scale * logits).astype(np.float32))[:, None], torch.from_numpy(truth)[None]


def log_odds(logits):
    """Return log-odds (K, N), which rank pixels as probabilities do, also where float64 rounds a probability to 1.

    They are rounded, so that equal ones stay equal whatever the order of additions.
    """
    values = logits.double().flatten(1)
    others = [torch.cat([values[:number], values[number + 1 :]]).logsumexp(0) for number in range(len(values))]
    return (values - torch.stack(others)).numpy().round(9)


def largest_error(logits, truth):
    """Return the largest difference over classes between our ROC-AUC and that of scikit-learn."""
    metrics = SegmentationMetrics(len(logits))
    metrics.update(logits, truth)
    actual = metrics.compute()["roc_auc_per_class"].numpy()
    flat = truth.flatten().numpy()
    expected = [roc_auc_score(flat == number, ranks) for number, ranks in enumerate(log_odds(logits))]
    return np.abs(actual - expected).max()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("classes", [2, 3, 13])  # pitfall 8
@pytest.mark.parametrize("scale", [0.1, 1, 3, 10, 20])  # at 20 nearly all probabilities are within 1e-7 of 0 or 1
def test_logits_of_any_scale(classes, scale, seed):
    assert largest_error(*random_logits(classes, 5_000, scale=scale, seed=seed)) < 1e-3


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("classes", [2, 3, 13])
@pytest.mark.parametrize("scale", [1, 10])
def test_a_rare_class(classes, scale, seed):
    logits, truth = random_logits(classes, 8_000, scale=scale, rarest=0.002 * classes, seed=seed)
    assert (truth == 0).sum() < 25
    assert largest_error(logits, truth) < 1e-3


@pytest.mark.parametrize("classes", [2, 3, 13])
@pytest.mark.parametrize("steps", [1, 2])
def test_many_ties(classes, steps):
    logits, truth = random_logits(classes, 5_000)
    tied = (steps * logits).round() / steps
    assert len(tied.unique()) < 30
    assert largest_error(tied, truth) < 1e-3


@pytest.mark.parametrize("classes", [2, 3])
def test_equal_logits_everywhere(classes):
    _, truth = random_logits(classes, 1000)
    assert largest_error(torch.zeros(classes, 1, 1000), truth) == 0
    assert largest_error(torch.arange(classes).float()[:, None, None].expand(-1, 1, 1000), truth) == 0


@pytest.mark.parametrize("classes", [2, 3, 13])
def test_bfloat16(classes):
    logits, truth = random_logits(classes, 5_000, scale=3)
    assert largest_error(logits.bfloat16(), truth) < 1e-3


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.integers(2, 6), st.floats(0.3, 25), st.floats(-1, 3), st.floats(0.05, 1), st.booleans(), st.integers(0, 2**32)
)
def test_any_combination(classes, scale, signal, rarest, tied, seed):
    logits, truth = random_logits(classes, 3000, scale=1, rarest=rarest, signal=signal, seed=seed)
    logits = scale * logits
    if tied:
        logits = (4 * logits).round() / 4
    if len(truth.unique()) == classes:
        assert largest_error(logits, truth) < 1e-3


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


def bins(*logits):
    """Return the bins of one pixel: of the second of two classes, or of each of more."""
    values = torch.tensor(logits)[:, None]
    result = (
        bin_multiclass(values - values.max(), values.argmax(0))
        if len(values) > 2
        else bin_binary(values[1:] - values[:1])
    )
    return result.flatten().tolist()


def test_bins_by_hand():
    """128 bins to each halving of a probability, and of its difference to 1."""
    middle, third = BINS // 2, math.log(3)
    assert BINS == 32256
    assert bins(0.0, 0.0) == [middle]
    assert bins(third, 0.0) == [middle - 128]  # 1/4
    assert bins(0.0, third) == [middle + 128]  # 3/4
    assert bins(0.0, 0.0, 0.0, 0.0) == 4 * [middle - 128]
    assert bins(0.0, math.log(2.001), 0.0) == [middle - 129, middle + 1, middle - 129]  # just under 1/4, just over 1/2
    assert 0 < bins(900.0, -900.0)[0] < bins(60.0, 0.0)[0] < bins(20.0, 0.0)[0] < bins(10.0, 0.0)[0]
    assert BINS > bins(-900.0, 900.0)[0] > bins(0.0, 60.0)[0] > bins(0.0, 20.0)[0] > bins(0.0, 10.0)[0]
    assert 0 < min(bins(900.0, 0.0, -900.0)) < max(bins(900.0, 0.0, -900.0)) < BINS


def test_bins_of_log_odds_by_hand():
    """2048 bins to each doubling of 1 + |log-odds|, on either side of 0."""
    middle = ODDS_BINS // 2
    assert ODDS_BINS == 28673
    result = bin_log_odds(torch.tensor([-1e9, -127.0, -3.0, -1.0, -0.5, 0.0, 1e-6, 0.5, 1.0, 3.0, 126.9, 1e9]))
    assert result.tolist() == [
        1, 1, middle - 4096, middle - 2048, middle - 1024, middle, middle + 1, middle + 1025, middle + 2049,
        middle + 4097, ODDS_BINS - 4, ODDS_BINS - 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "own", "expected"),
    [
        ([2, 0, 0], [0, 0, 2], 1),
        ([0, 0, 1], [1, 0, 1], (1 / 2 + 2 / 3) / 2),  # ties rank above each other
        ([0, 0, 3], [1, 0, 0], 1 / 4),
        ([0, 0, 0], [1, 1, 0], 1),
        ([1, 1, 0], [0, 0, 0], NAN),
    ],
)
def test_average_precision_by_hand(rest, own, expected):
    np.testing.assert_allclose(average_precision(torch.tensor([[rest, own]])), [expected])
