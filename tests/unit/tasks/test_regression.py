"""Predictions from a network's output channels, by hand."""

import numpy as np
import torch

from instageo.model.tasks.regression import Regression, RegressionOutputs
from instageo.model.tasks.target_scale import TargetScale

SCALE = TargetScale(10.0, 2.0)


def test_the_value_is_the_written_median_even_where_quantiles_cross():
    task = Regression(SCALE, RegressionOutputs(levels=(0.05, 0.5, 0.95)))
    outputs = torch.tensor([[-1.0, 0.5], [0.0, 2.0], [1.0, 1.0]]).view(3, 1, 2)  # the second pixel's quantiles cross
    prediction = task.to_prediction(outputs, torch.tensor([[True, True]]))
    np.testing.assert_allclose(prediction.values, [[10, 12]])
    np.testing.assert_allclose(np.stack(list(prediction.quantiles.values())), [[[8, 11]], [[10, 12]], [[12, 14]]])
    np.testing.assert_allclose(task.value(outputs), prediction.values)


def test_quantiles_of_a_normal_distribution_are_nan_where_nothing_was_observed():
    task = Regression(SCALE, RegressionOutputs(gaussian=True))
    outputs = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(2, 1, 2)  # mean 1, variance 1
    prediction = task.to_prediction(outputs, torch.tensor([[True, False]]))
    np.testing.assert_allclose(prediction.values, [[12, np.nan]])
    np.testing.assert_allclose(prediction.quantiles[0.95], [[10 + 2 * (1 + 1.6448536), np.nan]], rtol=1e-6)
