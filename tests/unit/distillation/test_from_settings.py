"""The soft loss of each kind of task, from settings."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from instageo.model.chips.sample import Sample
from instageo.model.distillation.from_settings import distillation_loss_from_settings, soft_loss_from_settings
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import DataSettings, DistillSettings, LabelKind, ModelSettings, Settings, TrainSettings

OBSERVED = torch.tensor([[[True, True], [True, False]]])


def regression(mean, std, *, log=False, loss=None):
    data = DataSettings(label_mean=mean, label_std=std)
    return Settings(
        is_reg_task=True, model=ModelSettings(use_log_scale=log), dataloader=data, train=TrainSettings(loss=loss)
    )


def teacher(settings):
    return Predictor(nn.Identity(), settings)


class Recorder(nn.Module):
    """A network that keeps the images it gets."""

    def forward_with_features(self, image, temporal_coords, location_coords):
        self.image = image
        return image, []


def test_the_teacher_gets_its_own_bands_and_statistics():  # pitfall 29
    student = Settings(dataloader=DataSettings(band_names=["RED", "BLUE"], mean=[1.0, 2.0], std=[3.0, 4.0]))
    own = Settings(dataloader=DataSettings(band_names=["BLUE"], mean=[100.0], std=[50.0]))
    network = Recorder()
    loss = distillation_loss_from_settings(student, nn.Identity(), Predictor(network, own))
    image = torch.tensor([7.0, 250.0]).view(1, 2, 1, 1, 1)  # RED and BLUE of one pixel
    loss.teacher(Sample(image, torch.ones(1, 1, 1, 1, dtype=torch.bool)))
    assert network.image.flatten().tolist() == [3.0]  # (250 - 100) / 50


def test_regression_compares_outputs_in_the_scale_of_the_student():  # pitfalls 3, 29
    soft = soft_loss_from_settings(regression(10.0, 2.0), teacher(regression(1.0, 0.5, log=True)))
    target, student = torch.tensor([[[[0.0, 2.0], [4.0, 9.0]]]]), torch.tensor([[[[1.0, -1.0], [0.0, 7.0]]]])
    expected = (np.expm1(np.array([0.0, 2.0, 4.0]) * 0.5 + 1) - 10) / 2
    assert_allclose(soft(student, target, OBSERVED), ((np.array([1.0, -1.0, 0.0]) - expected) ** 2).mean(), rtol=1e-6)


def test_equal_log_scales_are_not_transformed_twice():  # pitfall 29
    both = regression(0.0, 1.0, log=True)
    target = torch.tensor([[[[0.5, 1.0], [1.5, 2.0]]]])
    assert_allclose(soft_loss_from_settings(both, teacher(both))(target + 0.1, target, OBSERVED), 0.01, rtol=1e-4)


def test_regression_with_several_outputs_compares_the_point_estimates():
    soft = soft_loss_from_settings(
        regression(0.0, 1.0, loss={"quantile": {"quantiles": [0.1, 0.5]}}),
        teacher(regression(0.0, 1.0, loss="gaussian_nll")),
    )
    target = torch.stack([torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), 99.0)], 1)
    student = torch.stack([torch.full((1, 2, 2), -77.0), torch.full((1, 2, 2), 1.0)], 1)
    assert soft(student, target, OBSERVED) == 4


def test_smooth_l1_counts_large_errors_by_their_absolute_value():
    settings = regression(0.0, 1.0)
    settings.distill = DistillSettings(value_loss="smooth_l1")
    soft = soft_loss_from_settings(settings, teacher(regression(0.0, 1.0)))
    assert soft(torch.full((1, 1, 2, 2), 5.0), torch.zeros(1, 1, 2, 2), OBSERVED) == 4.5


def test_multilabel_outputs_are_compared_by_bernoulli_divergence():
    settings = Settings(dataloader=DataSettings(label_kind=LabelKind.chip_multi), distill=DistillSettings())
    settings.distill.temperature = 1.0
    soft = soft_loss_from_settings(settings, teacher(settings))
    target, student = torch.tensor([[[[0.0]], [[2.0]]]]), torch.zeros(1, 2, 1, 1)
    p = 1 / (1 + np.exp(-2))
    expected = (p * np.log(p / 0.5) + (1 - p) * np.log((1 - p) / 0.5)) / 2
    assert soft(student, target, torch.ones(1, 1, 1, dtype=torch.bool)).item() == pytest.approx(expected, rel=1e-5)
