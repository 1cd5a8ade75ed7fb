"""The average of the weights, computed by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.settings import Settings, TrainSettings
from instageo.model.training.callbacks.ema import EMACallback, averaged_tensors, ema_decay_at


def start(value, decay=0.5):
    """Return a network of one weight, its module, and its average after the start of training."""
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(value)
    average = EMACallback(decay)
    module = SimpleNamespace(net=net)
    average.on_fit_start(None, module)
    return net, module, average


def step(average, module, global_step, value):
    module.net.weight.data.fill_(value)
    average.on_train_batch_end(SimpleNamespace(global_step=global_step), module)


def test_decay_rises_to_its_setting():
    assert [ema_decay_at(n, 0.999) for n in (0, 1, 8)] == pytest.approx([1 / 10, 2 / 11, 9 / 18])
    assert ema_decay_at(9, 0.5) == 0.5
    assert ema_decay_at(10**6, 0.999) == 0.999


def test_the_average_of_three_steps():
    """From 0: 0.9 x 10 = 9, then 9 x 2/11 + 20 x 9/11 = 18, then 18 x 3/12 + 30 x 9/12 = 27."""
    net, module, average = start(0.0)
    for number, (value, expected) in enumerate([(10, 9), (20, 18), (30, 27)], start=1):
        step(average, module, number, value)
        assert average.stored["weight"].item() == pytest.approx(expected)
        assert net.weight.item() == value
    step(average, module, 3, 40)  # a batch without an optimiser step
    assert average.stored["weight"].item() == pytest.approx(27)


def test_validation_uses_the_average_and_training_continues_from_the_weights():
    net, module, average = start(0.0)
    step(average, module, 1, 10)
    average.on_train_epoch_start(None, module)
    assert net.weight.item() == 10
    average.on_validation_start(None, module)
    assert net.weight.item() == pytest.approx(9)
    again, other, resumed = start(net.weight.item())  # as loaded from a checkpoint written now
    resumed.load_state_dict(average.state_dict())
    resumed.on_fit_start(None, other)
    resumed.on_train_epoch_start(None, other)
    average.on_train_epoch_start(None, module)
    assert net.weight.item() == again.weight.item() == 10
    for weights, callback in ((module, average), (other, resumed)):
        step(callback, weights, 2, 20)
        assert callback.stored["weight"].item() == pytest.approx(18)


def test_trained_parameters_and_running_statistics_are_averaged():
    net = nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    net.register_buffer("embedding", torch.zeros(1), persistent=False)
    norm = {"1.weight", "1.bias", "1.running_mean", "1.running_var"}
    assert set(averaged_tensors(net)) == norm | {"2.weight", "2.bias"}


def test_ema_with_fsdp_is_an_error():
    with pytest.raises(ConfigError, match=r"train.ema_decay=0.9 does not work; expected null with strategy=fsdp"):
        Settings(strategy="fsdp", train=TrainSettings(ema_decay=0.9))
