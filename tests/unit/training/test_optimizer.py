"""AdamW, fused and plain, and weights clipped to a range."""

import pytest
import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.settings import ModelSettings
from instageo.model.training.optimizer import OptimizerConfig, build_optimizer
from instageo.model.training.schedules import Schedule


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def config(**changes):
    values = {"learning_rate": 0.01, "weight_decay": 0.1, "layer_decay": 1.0, "seed": 0, **changes}
    return OptimizerConfig(schedule=Schedule("constant"), **values)


def train(net, optimizer, steps=20):
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        net(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()


def test_fused_optimizer_is_used_and_equals_the_plain_one():
    fused, plain = small_network(), small_network()
    optimizer = build_optimizer(fused, config(), 1, 1)["optimizer"]
    assert all(group["fused"] for group in optimizer.param_groups)
    train(fused, optimizer)
    plain_optimizer = torch.optim.AdamW(
        [
            {"params": [plain[0].weight, plain[2].weight], "weight_decay": 0.1},
            {"params": [plain[0].bias, plain[2].bias], "weight_decay": 0.0},
        ],
        lr=0.01,
        foreach=False,
        fused=False,
    )
    train(plain, plain_optimizer)
    for ours, reference, initial in zip(
        fused.parameters(), plain.parameters(), small_network().parameters(), strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-7)
        assert (ours - initial).abs().max() > 0.01


def test_a_device_without_the_fused_kernel_uses_the_plain_optimizer():
    optimizer = build_optimizer(small_network().to("meta"), config(), 1, 1)["optimizer"]
    assert not any(group["fused"] for group in optimizer.param_groups)


def test_weights_are_clipped_after_the_step_so_gradients_belong_to_unclipped_weights():  # pitfall 25
    """f(w) = w^2 at w = 3: the gradient is 6, not the 1 of a weight clamped to 0.5 before the backward pass."""
    net = nn.Linear(2, 1, bias=False)
    net.weight.data = torch.tensor([[3.0, 0.2]])
    optimizer = build_optimizer(net, config(clip_range=(-0.5, 0.5), weight_decay=0.0), 1, 1)["optimizer"]
    net.weight.square().sum().backward()
    assert net.weight.tolist() == [[3.0, pytest.approx(0.2)]]
    optimizer.step()
    assert net.weight.grad.tolist() == [[6.0, pytest.approx(0.4)]]
    assert net.weight.tolist() == [[0.5, pytest.approx(0.19)]]  # the first step of Adam is the learning rate


def test_frozen_weights_are_not_clipped():
    net = small_network()
    net[0].requires_grad_(False)
    for parameter in net.parameters():
        parameter.data.fill_(2.0)
    optimizer = build_optimizer(net, config(clip_range=(-1.0, 1.0)), 1, 1)["optimizer"]
    train(net, optimizer, 1)
    assert net[0].weight.unique().item() == 2
    assert net[2].weight.unique().item() == 1


@pytest.mark.parametrize("clip_range", [[1.0, 1.0], [1.0, -1.0], [0.0], [0.0, 1.0, 2.0]])
def test_invalid_clip_range_is_an_error(clip_range):
    with pytest.raises(ConfigError, match=r"expected null, or \[low, high\] with low below high"):
        ModelSettings(weight_clip_range=clip_range)
