"""The range test, on curves whose steepest descent is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from instageo.errors import ConfigError, DataError
from instageo.model.settings.train import RangeTestSettings
from instageo.model.training.lr_finder import RangeTest, find_steepest, smooth, smoothing_window


def run(test, loss_at, accumulate=1):
    """Run a trainer whose loss depends only on the rate; return its number of steps, and its groups."""
    groups = [{"lr": 0.0, "initial_lr": 0.1}, {"lr": 0.0, "initial_lr": 0.05}]
    trainer = SimpleNamespace(
        optimizers=[SimpleNamespace(param_groups=groups)],
        global_step=0,
        should_stop=False,
        accumulate_grad_batches=accumulate,
        strategy=SimpleNamespace(reduce=lambda loss, reduce_op: loss),
    )
    while trainer.global_step < len(test.rates) and not trainer.should_stop:
        for batch in range(accumulate):
            test.on_train_batch_start(trainer, None, None, batch)
            trainer.global_step += batch == accumulate - 1
            outputs = {"loss": torch.tensor(loss_at(groups[0]["lr"]) / accumulate)}
            test.on_train_batch_end(trainer, None, outputs, None, batch)
    return trainer.global_step, groups


def loss_curve(rate):
    """Fall from 1 to 0 over about two decades, steepest at 1e-3; grow without bound above 0.1."""
    falling = 1 / (1 + math.exp(4 * (math.log10(rate) + 3)))
    return falling + (1e4 * (rate - 0.1) if rate > 0.1 else 0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_finds_the_steepest_descent_and_stops_at_divergence(accumulate):
    test = RangeTest(1e-6, 10.0, 71, 0.1)  # ten steps a decade
    steps, groups = run(test, loss_curve, accumulate)
    result = test.result()
    assert result.best == pytest.approx(1e-3)
    assert steps == len(result.rates) == 52  # 1e-6 x 10^5.1 is the first rate above 0.1
    assert result.losses[30] == pytest.approx(0.5)
    assert groups[0]["lr"] == 2 * groups[1]["lr"] == pytest.approx(10**-0.9)


def test_reports_a_loss_that_still_falls_at_the_highest_rate():
    for high, still_falling in ((1e-4, True), (1e-1, False)):
        test = RangeTest(1e-6, high, 41, 0.1)
        run(test, loss_curve)
        assert test.result().still_falling is still_falling


def test_noise_does_not_move_the_suggestion():
    rng = np.random.default_rng(0)
    test = RangeTest(1e-6, 1.0, 121, 0.1)
    run(test, lambda rate: loss_curve(rate) + rng.normal(0, 0.05))
    assert 10**-3.5 < test.result().best < 10**-2.5


def test_a_loss_of_nan_ends_the_test_and_is_left_out():
    test = RangeTest(1e-6, 1.0, 61, 0.1)
    steps, _ = run(test, lambda rate: loss_curve(rate) if rate < 0.05 else math.nan)
    assert steps == 48
    assert len(test.result().losses) == 47
    assert test.result().best == pytest.approx(1e-3)


@pytest.mark.parametrize("loss_at", [lambda rate: 1 + rate, lambda rate: math.nan])
def test_a_loss_that_never_falls_is_an_error(loss_at):
    test = RangeTest(1e-6, 1.0, 50, 0.1)
    run(test, loss_at)
    with pytest.raises(DataError, match=r"the loss falls at no learning rate from 1e-06 to 1; widen train.lr_find"):
        test.result()


def test_smoothing_and_steepest_descent_by_hand():
    assert smooth([1, 2, 6, 3], 3).tolist() == pytest.approx([1.5, 3, 11 / 3, 4.5])
    assert smooth([4, 2], 5).tolist() == pytest.approx([3, 3])
    assert smooth([], 3).tolist() == []
    assert [smoothing_window(steps) for steps in (10, 50, 100)] == [3, 5, 11]
    assert find_steepest([1, 2, 4, 8], np.array([5.0, 4, 1, 2])) == 2


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"min": 0.0}, "train.lr_find.min=0.0 does not work; expected a learning rate above 0"),
        ({"min": 1.0, "max": 0.1}, "train.lr_find.max=0.1 does not work; expected more than train.lr_find.min=1.0"),
        ({"steps": 9}, "train.lr_find.steps=9 does not work; expected at least 10"),
    ],
)
def test_invalid_ranges_are_errors(invalid, message):
    with pytest.raises(ConfigError, match=message):
        RangeTestSettings(**invalid)
