"""Weights of classes by hand, and that a labelled pixel weighs 1 on average."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.errors import ConfigError
from instageo.model.inspection.statistics import WEIGHTINGS, compute_class_weights, effective_number
from instageo.model.settings import ModelSettings, Settings, TrainSettings
from instageo.model.settings.train import CLASS_WEIGHTS


@pytest.mark.parametrize(
    ("counts", "weighting", "weights"),
    [
        ([3, 1], "inverse", [2 / 3, 2]),
        ([4, 1], "sqrt", [5 / 6, 5 / 3]),  # 1/2 and 1, times 5 / (4/2 + 1/1)
        ([1, 9, 0], "sqrt", [10 / 6, 10 / 18, 0]),  # 1 and 1/3, times 10 / (1 + 3) * 2/3
        ([3, 1], "effective", [16 / 19, 28 / 19]),  # N = 2: numbers 7/4 and 1, so 4/7 and 1, times 4 / (12/7 + 1)
        ([5, 5], "sqrt", [1, 1]),
        ([5, 5], "effective", [1, 1]),
        ([1, 1], "effective", [1, 1]),
        ([1, 0], "effective", [0.5, 0]),
        ([0, 7], "sqrt", [0, 0.5]),
        ([0, 0], "sqrt", [0, 0]),
        ([0, 0], "effective", [0, 0]),
    ],
)
def test_by_hand(counts, weighting, weights):
    assert_allclose(compute_class_weights(counts, weighting), weights, rtol=1e-8)


def test_effective_numbers_by_hand():
    assert_allclose(effective_number(np.array([1.0, 2.0, 3.0])), [1, 1.5, 1.75])  # N = 2: 2 (1 - 1/2^n)
    huge = effective_number(np.array([10.0**12, 1.0]))
    assert_allclose(huge, [5e11 * (1 - np.exp(-2)), 1], rtol=1e-6)  # N = 5 10^11


counts_of_all = st.lists(st.integers(1, 10**9), min_size=2, max_size=8)


@given(counts_of_all, st.sampled_from(list(WEIGHTINGS)))
def test_a_labelled_pixel_weighs_one_on_average(counts, weighting):
    weights = np.array(compute_class_weights(counts, weighting))
    assert (weights * counts).sum() / sum(counts) == pytest.approx(1)
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=8).filter(any), st.sampled_from(list(WEIGHTINGS)))
def test_absent_classes_weigh_nothing_and_rare_ones_no_less_than_frequent_ones(counts, weighting):
    weights = np.array(compute_class_weights(counts, weighting))
    assert ((weights == 0) == (np.array(counts) == 0)).all()
    share = np.count_nonzero(counts) / len(counts)
    assert (weights * counts).sum() / sum(counts) == pytest.approx(share)
    present = sorted((count, weight) for count, weight in zip(counts, weights, strict=True) if count)
    falling = [weight for _, weight in present]
    assert all(first >= second * (1 - 1e-9) for first, second in pairwise(falling))


def test_milder_ways_lie_between_equal_and_inverse():
    spread = {
        name: max(found) / min(found) for name in WEIGHTINGS if (found := compute_class_weights([1000, 10], name))
    }
    assert spread["inverse"] == pytest.approx(100)
    assert spread["sqrt"] == pytest.approx(10)
    assert 10 < spread["effective"] < 100


def test_every_way_can_be_asked_for():
    assert set(CLASS_WEIGHTS) == {"auto", *WEIGHTINGS}
    for name in CLASS_WEIGHTS:
        assert Settings(train=TrainSettings(class_weights=name)).train.class_weights == name


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("squared", "inverse, sqrt, effective"),
        ([1.0], "2 weights"),
        ([0, 0], "not all 0"),
        ([1, -1], "0 or more"),
        ([1, float("nan")], "0 or more"),
        (3, "one weight"),
    ],
)
def test_other_weights_are_refused(weights, words):
    with pytest.raises(ConfigError, match=rf"train\.class_weights=.*{words}"):
        Settings(train=TrainSettings(class_weights=weights), model=ModelSettings(num_classes=2))
