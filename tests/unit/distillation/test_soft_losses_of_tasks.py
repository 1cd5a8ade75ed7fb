"""What a student of each kind of task learns from its teacher's outputs."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from instageo.model.distillation.teacher import soft_loss_from_settings
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import DataSettings, DistillSettings, LabelKind, ModelSettings, Settings, TrainSettings

SEEN = torch.tensor([[[True, True], [True, False]]])


def values(mean, std, *, log=False, loss=None):
    data = DataSettings(label_mean=mean, label_std=std)
    return Settings(
        is_reg_task=True, model=ModelSettings(use_log_scale=log), dataloader=data, train=TrainSettings(loss=loss)
    )


def teacher(settings):
    return Predictor(nn.Identity(), settings)


def test_values_are_compared_in_the_scale_of_the_student_whatever_that_of_the_teacher():  # pitfalls 3, 29
    soft = soft_loss_from_settings(values(10.0, 2.0), teacher(values(1.0, 0.5, log=True)))
    told, mine = torch.tensor([[[[0.0, 2.0], [4.0, 9.0]]]]), torch.tensor([[[[1.0, -1.0], [0.0, 7.0]]]])
    expected = (np.expm1(np.array([0.0, 2.0, 4.0]) * 0.5 + 1) - 10) / 2
    assert_allclose(soft(mine, told, SEEN), ((np.array([1.0, -1.0, 0.0]) - expected) ** 2).mean(), rtol=1e-6)


def test_a_teacher_in_logs_teaches_a_student_in_logs_without_another_logarithm():  # pitfall 29
    both = values(0.0, 1.0, log=True)
    told = torch.tensor([[[[0.5, 1.0], [1.5, 2.0]]]])
    assert_allclose(soft_loss_from_settings(both, teacher(both))(told + 0.1, told, SEEN), 0.01, rtol=1e-4)


def test_of_several_outputs_the_value_itself_is_compared():
    soft = soft_loss_from_settings(
        values(0.0, 1.0, loss={"quantile": {"quantiles": [0.1, 0.5]}}), teacher(values(0.0, 1.0, loss="gaussian_nll"))
    )
    told = torch.stack([torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), 99.0)], 1)
    mine = torch.stack([torch.full((1, 2, 2), -77.0), torch.full((1, 2, 2), 1.0)], 1)
    assert soft(mine, told, SEEN) == 4


def test_large_errors_of_values_count_straight_if_asked_for():
    mine = values(0.0, 1.0)
    mine.distill = DistillSettings(value_loss="smooth_l1")
    assert (
        soft_loss_from_settings(mine, teacher(values(0.0, 1.0)))(
            torch.full((1, 1, 2, 2), 5.0), torch.zeros(1, 1, 2, 2), SEEN
        )
        == 4.5
    )


def test_several_classes_of_a_chip_are_each_a_yes_or_no():
    settings = Settings(dataloader=DataSettings(label_kind=LabelKind.chip_multi), distill=DistillSettings())
    settings.distill.temperature = 1.0
    soft = soft_loss_from_settings(settings, teacher(settings))
    told, mine = torch.tensor([[[[0.0]], [[2.0]]]]), torch.zeros(1, 2, 1, 1)
    yes = 1 / (1 + np.exp(-2))
    expected = (yes * np.log(yes / 0.5) + (1 - yes) * np.log((1 - yes) / 0.5)) / 2
    assert soft(mine, told, torch.ones(1, 1, 1, dtype=torch.bool)).item() == pytest.approx(expected, rel=1e-5)
