"""Predictions from a network's output channels, by hand."""

import math

import numpy as np
import pytest
import torch

from instageo.model.tasks.regression import Regression, RegressionOutputs
from instageo.model.tasks.target_scale import TargetScale

SCALE = TargetScale(10.0, 2.0)


def test_the_value_is_the_median_even_where_quantiles_cross():
    task = Regression(SCALE, RegressionOutputs(levels=(0.05, 0.5, 0.95)))
    outputs = torch.tensor([[-1.0, 0.5], [0.0, 2.0], [1.0, 1.0]]).view(3, 1, 2)  # the second pixel's quantiles cross
    prediction = task.to_prediction(outputs, torch.tensor([[True, True]]))
    np.testing.assert_allclose(prediction.values, [[10, 12]])
    assert list(prediction.quantiles) == [0.05, 0.95]  # the median is not repeated
    np.testing.assert_allclose(np.stack(list(prediction.quantiles.values())), [[[8, 11]], [[12, 14]]])
    np.testing.assert_allclose(task.value(outputs), prediction.values)


def test_quantiles_of_a_normal_distribution_are_nan_where_nothing_was_observed():
    task = Regression(SCALE, RegressionOutputs(gaussian=True))
    outputs = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(2, 1, 2)  # mean 1, variance 1
    prediction = task.to_prediction(outputs, torch.tensor([[True, False]]))
    np.testing.assert_allclose(prediction.values, [[12, np.nan]])
    np.testing.assert_allclose(prediction.quantiles[0.95], [[10 + 2 * (1 + 1.6448536), np.nan]], rtol=1e-6)


def test_maps_quantiles_and_scores_stay_within_the_output_range():
    task = Regression(SCALE, RegressionOutputs(levels=(0.05, 0.5, 0.95)), output_range=(9.0, math.inf))
    outputs = torch.tensor([[-6.0, -1.0], [-5.0, 0.0], [-4.0, 1.0]]).view(3, 1, 2)
    prediction = task.to_prediction(outputs, torch.tensor([[True, True]]))  # 0 without the range, and 10
    np.testing.assert_allclose(prediction.values, [[9, 10]])
    np.testing.assert_allclose(np.stack(list(prediction.quantiles.values())), [[[9, 9]], [[9, 12]]])
    metrics = task.build_metrics()
    metrics.update(outputs, torch.tensor([[9.0, 10.0]]))
    assert metrics.compute()["rmse"] == 0


def test_coverage_is_the_share_of_labels_in_the_interval():
    task = Regression(SCALE, RegressionOutputs(levels=(0.05, 0.5, 0.95)))
    outputs = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 1, 6)  # an interval of 8 to 12
    metrics = task.build_metrics()
    metrics.update(outputs, torch.tensor([[7.9, 8.0, 11.0, 12.0, 12.1, torch.nan]]))
    assert metrics.compute()["coverage"] == 3 / 5
    metrics.reset()
    metrics.update(outputs, torch.tensor([[10.0] * 6]))
    assert metrics.compute()["coverage"] == 1


@pytest.mark.parametrize(
    ("outputs", "interval"),
    [
        (RegressionOutputs(), None),
        (RegressionOutputs(levels=(0.1, 0.5)), None),
        (RegressionOutputs(levels=(0.1, 0.3, 0.5, 0.8)), (0.1, 0.8)),
        (RegressionOutputs(gaussian=True), (0.05, 0.95)),
    ],
)
def test_an_interval_has_the_median_inside(outputs, interval):
    assert outputs.interval == interval
    assert ("coverage" in Regression(SCALE, outputs).build_metrics().compute()) == (interval is not None)
