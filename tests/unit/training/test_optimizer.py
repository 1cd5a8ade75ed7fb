"""AdamW, fused and plain, and weights kept in a range."""

import pytest
import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.settings import ModelSettings, Settings, TrainSettings
from instageo.model.training.optimizer import Optimisation, build_optimiser, can_fuse
from instageo.model.training.schedules import Schedule


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def course(**changes):
    chosen = {"learning_rate": 0.01, "weight_decay": 0.1, "layer_decay": 1.0, "seed": 0, **changes}
    return Optimisation(schedule=Schedule("constant"), **chosen)


def train(net, optimizer, steps=20):
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        net(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()


def test_the_fused_optimiser_is_used_and_equals_the_plain_one():
    fused, plain = linear(), linear()
    optimizer = build_optimiser(fused, course(), 1, 1)["optimizer"]
    assert all(group["fused"] for group in optimizer.param_groups)
    train(fused, optimizer)
    reference = torch.optim.AdamW(
        [
            {"params": [plain[0].weight, plain[2].weight], "weight_decay": 0.1},
            {"params": [plain[0].bias, plain[2].bias], "weight_decay": 0.0},
        ],
        lr=0.01,
        foreach=False,
        fused=False,
    )
    train(plain, reference)
    for ours, theirs, begun in zip(fused.parameters(), plain.parameters(), linear().parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
        assert (ours - begun).abs().max() > 0.01


def test_a_device_without_the_kernel_gets_the_plain_one():
    optimizer = build_optimiser(linear().to("meta"), course(), 1, 1)["optimizer"]
    assert not any(group["fused"] for group in optimizer.param_groups)


@pytest.mark.parametrize(
    ("precision", "clip", "strategy", "expected"),
    [
        ("32-true", 1.0, "auto", True),
        ("bf16-mixed", 1.0, "ddp", False),
        ("bf16-mixed", None, "ddp", True),
        ("16-mixed", None, "auto", True),
        ("16-mixed", 1.0, "auto", False),
        ("bf16-mixed", None, "fsdp", False),
    ],
)
def test_where_it_may_be_fused(precision, clip, strategy, expected):
    settings = Settings(precision=precision, strategy=strategy, train=TrainSettings(gradient_clip_val=clip))
    assert can_fuse(settings) is expected


def test_weights_are_clamped_after_the_step_and_the_gradient_is_that_of_the_weights_before():  # pitfall 25
    """f(w) = w^2 at w = 3: the gradient is 6, not the 1 of a weight clamped to 0.5 before the backward pass."""
    net = nn.Linear(2, 1, bias=False)
    net.weight.data = torch.tensor([[3.0, 0.2]])
    optimizer = build_optimiser(net, course(clip_range=(-0.5, 0.5), weight_decay=0.0), 1, 1)["optimizer"]
    net.weight.square().sum().backward()
    assert net.weight.tolist() == [[3.0, pytest.approx(0.2)]]
    optimizer.step()
    assert net.weight.grad.tolist() == [[6.0, pytest.approx(0.4)]]
    assert net.weight.tolist() == [[0.5, pytest.approx(0.19)]]  # the first step of Adam is the learning rate


def test_frozen_weights_are_not_clamped():
    net = linear()
    net[0].requires_grad_(False)
    for parameter in net.parameters():
        parameter.data.fill_(2.0)
    optimizer = build_optimiser(net, course(clip_range=(-1.0, 1.0)), 1, 1)["optimizer"]
    train(net, optimizer, 1)
    assert net[0].weight.unique().item() == 2
    assert net[2].weight.unique().item() == 1


@pytest.mark.parametrize("span", [[1.0, 1.0], [1.0, -1.0], [0.0], [0.0, 1.0, 2.0]])
def test_a_range_that_is_none_is_refused(span):
    with pytest.raises(ConfigError, match=r"expected null, or \[low, high\] with low below high"):
        ModelSettings(weight_clip_range=span)
