"""The range test, on curves whose steepest fall is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from instageo.errors import ConfigError, DataError
from instageo.model.settings.train import RangeTestSettings
from instageo.model.training.lr_finder import RangeTest, smooth, steepest, window_of


def run(test, loss_at, accumulate=1):
    """Steps of a trainer whose loss depends on the rate alone; the number of steps it made, and its groups."""
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


def fall(rate):
    """From 1 to 0 over two decades or so, steepest at 1e-3; grows without end above 0.1."""
    fallen = 1 / (1 + math.exp(4 * (math.log10(rate) + 3)))
    return fallen + (1e4 * (rate - 0.1) if rate > 0.1 else 0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_steepest_fall_is_found_and_divergence_ends_the_test(accumulate):
    test = RangeTest(1e-6, 10.0, 71, 0.1)  # ten steps a decade
    steps, groups = run(test, fall, accumulate)
    found = test.result()
    assert found.best == pytest.approx(1e-3)
    assert steps == len(found.rates) == 52  # 1e-6 x 10^5.1 is the first rate above 0.1
    assert found.losses[30] == pytest.approx(0.5)
    assert groups[0]["lr"] == 2 * groups[1]["lr"] == pytest.approx(10**-0.9)


def test_a_fall_that_goes_on_where_the_test_ends_is_told_apart():
    for high, cut_short in ((1e-4, True), (1e-1, False)):
        test = RangeTest(1e-6, high, 41, 0.1)
        run(test, fall)
        assert test.result().cut_short is cut_short


def test_noise_does_not_mislead():
    rng = np.random.default_rng(0)
    test = RangeTest(1e-6, 1.0, 121, 0.1)
    run(test, lambda rate: fall(rate) + rng.normal(0, 0.05))
    assert 10**-3.5 < test.result().best < 10**-2.5


def test_what_is_no_number_ends_the_test_and_is_left_out():
    test = RangeTest(1e-6, 1.0, 61, 0.1)
    steps, _ = run(test, lambda rate: fall(rate) if rate < 0.05 else math.nan)
    assert steps == 48
    assert len(test.result().losses) == 47
    assert test.result().best == pytest.approx(1e-3)


@pytest.mark.parametrize("loss_at", [lambda rate: 1 + rate, lambda rate: math.nan])
def test_a_loss_that_never_falls_is_one_sentence(loss_at):
    test = RangeTest(1e-6, 1.0, 50, 0.1)
    run(test, loss_at)
    with pytest.raises(DataError, match=r"the loss falls at no learning rate from 1e-06 to 1; widen train.lr_find"):
        test.result()


def test_means_of_neighbours():
    assert smooth([1, 2, 6, 3], 3).tolist() == pytest.approx([1.5, 3, 11 / 3, 4.5])
    assert smooth([4, 2], 5).tolist() == pytest.approx([3, 3])
    assert smooth([], 3).tolist() == []
    assert [window_of(steps) for steps in (10, 50, 100)] == [3, 5, 11]
    assert steepest([1, 2, 4, 8], np.array([5.0, 4, 1, 2])) == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"min": 0.0}, "train.lr_find.min=0.0 does not work; expected a learning rate above 0"),
        ({"min": 1.0, "max": 0.1}, "train.lr_find.max=0.1 does not work; expected more than train.lr_find.min=1.0"),
        ({"steps": 9}, "train.lr_find.steps=9 does not work; expected at least 10"),
    ],
)
def test_impossible_ranges_are_refused(wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        RangeTestSettings(**wrong)
