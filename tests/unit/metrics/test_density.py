"""Counts of truth and prediction equal those of NumPy."""

import math

import numpy as np
import pytest
import torch

from instageo.model.metrics.density import DensityRange
from instageo.model.metrics.regression import RegressionMetrics

NAN = math.nan


def count_pairs(prediction, truth, density_range, parts=1):
    metrics = RegressionMetrics(density=density_range)
    for some in zip(torch.as_tensor(prediction).chunk(parts), torch.as_tensor(truth).chunk(parts), strict=True):
        metrics.update(*some)
    return metrics


def random_pairs(pixels=5000, seed=0):
    source = np.random.default_rng(seed)
    truth = source.gamma(1.5, 60, pixels)
    return (truth + source.normal(0, 30, pixels)).astype(np.float32), truth.astype(np.float32)


@pytest.mark.parametrize("parts", [1, 7])
def test_counts_equal_those_of_numpy(parts):
    prediction, truth = random_pairs()
    density = count_pairs(prediction, truth, DensityRange(0, 300, 64), parts).compute_density()
    inside = (np.clip(values.astype(float), 0, 300) for values in (truth, prediction))
    expected, _, _ = np.histogram2d(*inside, bins=64, range=[[0, 300]] * 2)
    np.testing.assert_array_equal(density.counts, expected)
    assert density.num_outside == np.sum((truth < 0) | (truth > 300) | (prediction < 0) | (prediction > 300)) > 0
    assert density.counts.dtype == np.int64


def test_counts_by_hand():
    """Steps of 1 from 0 to 4: cells hold their lower edge, the last also its upper one and what lies outside."""
    truth = [0.0, 0.9, 1.0, 4.0, 9.0, NAN, 2.0]
    prediction = [0.0, 1.0, 0.5, 3.0, -3.0, 2.0, 4.0]
    density = count_pairs(prediction, truth, DensityRange(0, 4, 4)).compute_density()
    assert density.range == DensityRange(0, 4, 4)
    assert density.counts.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]]
    assert density.num_outside == 1


def test_non_finite_values_are_not_counted():
    density = count_pairs([NAN, math.inf, 1.0], [1.0, 1.0, -math.inf], DensityRange(0, 2, 2)).compute_density()
    assert density.counts.sum() == density.num_outside == 0


def test_without_a_range_nothing_is_counted():
    assert count_pairs([1.0], [1.0], None).compute_density() is None


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (NAN, 1), (0, math.inf)])
def test_an_invalid_range_is_an_error(low, high):
    with pytest.raises(ValueError, match="finite low < high"):
        DensityRange(low, high)


def test_a_range_around_labels_has_a_margin():
    assert DensityRange.around(0, 100) == DensityRange(-10, 110)
    assert DensityRange.around(-5, -5) == DensityRange(-7.5, -2.5)
    assert DensityRange.around(0, 0) == DensityRange(-1, 1)
