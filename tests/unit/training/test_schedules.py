"""Learning-rate schedules, by hand and against PyTorch's own schedulers."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from instageo.errors import ConfigError
from instageo.model.settings import Scheduler, TrainSettings
from instageo.model.training.schedules import Schedule, WarmupLR


def optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])


def rates(optimizer, scheduler, steps, after_epoch=None, epoch=None):
    """Return the first group's rate at each step; call `after_epoch` with the number of each finished epoch."""
    recorded = []
    for step in range(1, steps + 1):
        recorded.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        if epoch and step % epoch == 0:
            after_epoch(step // epoch)
    return recorded


@pytest.mark.parametrize(
    ("kind", "epoch", "expected"),
    [
        ("constant", 1, 0.5),
        ("constant", 5, 1.0),
        ("cosine", 1, 0.5),
        ("cosine", 2, 1.0),
        ("cosine", 6, 0.5),
        ("cosine", 10, 0.0),
        ("cosine", 11, 0.0),
        ("plateau", 1, 0.5),
        ("plateau", 9, 1.0),
        ("one_cycle", 0, 0.04),
        ("one_cycle", 1.5, 0.52),  # half way up
        ("one_cycle", 3, 1.0),
        ("one_cycle", 6.5, 0.5 + 2e-6),  # half way down
        ("one_cycle", 10, 4e-6),
    ],
)
def test_multipliers_of_ten_epochs_with_two_of_warmup(kind, epoch, expected):
    assert Schedule(kind, warmup_epochs=2).multiplier(epoch, 10) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_equals_that_of_pytorch_up_to_half_a_step():
    ours, reference = optimizer(0.1), optimizer(0.1)
    actual = rates(ours, WarmupLR(ours, Schedule("one_cycle"), 100, 20), 2000)
    expected = rates(reference, OneCycleLR(reference, 0.1, 2000, cycle_momentum=False), 1999)
    assert (
        max(abs(a - b) for a, b in zip(actual, expected, strict=False)) < 0.1 * math.pi / 2 / 600
    )  # steepest, one step
    assert max(actual) == pytest.approx(0.1, rel=1e-5)


def test_every_step_of_a_short_cycle_has_a_rate():
    for steps in (1, 2, 3):
        short = optimizer(1.0)
        assert all(0 < rate <= 1 for rate in rates(short, WarmupLR(short, Schedule("one_cycle"), steps, 1), steps))


def test_plateau_reduces_the_rate_as_pytorch_does():
    scores = [0.1, 0.2, 0.2, 0.1, math.nan, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    ours, reference = optimizer(0.1), optimizer(0.1)
    schedule = WarmupLR(ours, Schedule("plateau", plateau_factor=0.5, plateau_patience=2), 3, 11)
    reduce_on_plateau = ReduceLROnPlateau(reference, "max", factor=0.5, patience=1, threshold=0)
    expected = []
    for score in scores:
        expected += [reference.param_groups[0]["lr"]] * 3
        reference.step()
        reduce_on_plateau.step(score)
    actual = rates(ours, schedule, 33, lambda epoch: schedule.observe(scores[epoch - 1]), 3)
    assert actual == pytest.approx(expected)
    assert actual[::3] == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2 + [0.0125])


def test_plateau_keeps_warmup_and_the_proportions_of_groups():
    grouped = optimizer(0.4, 0.1)
    schedule = WarmupLR(grouped, Schedule("plateau", warmup_epochs=2, plateau_factor=0.5, plateau_patience=1), 1, 9)
    actual = rates(grouped, schedule, 4, lambda epoch: schedule.observe(0), 1)
    assert actual == pytest.approx([0.4 * 0.25, 0.4 * 0.75, 0.4 * 0.5, 0.4 * 0.25])
    assert grouped.param_groups[0]["lr"] == 4 * grouped.param_groups[1]["lr"]


@pytest.mark.parametrize("stop", range(1, 6))
@pytest.mark.parametrize("kind", [kind.value for kind in Scheduler])
def test_saved_state_is_enough_to_resume(kind, stop):  # pitfall 31
    scores = [3, 2, 1, 4, 1, 0]
    whole, first, second = optimizer(1.0), optimizer(1.0), optimizer(1.0)
    undisturbed, interrupted, resumed = (
        WarmupLR(each, Schedule(kind, plateau_factor=0.1, plateau_patience=2), 2, 6) for each in (whole, first, second)
    )
    expected = rates(whole, undisturbed, 12, lambda epoch: undisturbed.observe(scores[epoch - 1]), 2)
    actual = rates(first, interrupted, 2 * stop, lambda epoch: interrupted.observe(scores[epoch - 1]), 2)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(interrupted.state_dict())
    actual += rates(second, resumed, 12 - 2 * stop, lambda epoch: resumed.observe(scores[stop + epoch - 1]), 2)
    assert actual == expected


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"scheduler": Scheduler.one_cycle, "warmup_epochs": 1}, "train.scheduler=one_cycle rises by itself"),
        ({"plateau_factor": 1.0}, "train.plateau_factor=1.0 does not work; expected above 0, below 1"),
        ({"plateau_patience": 0}, "train.plateau_patience=0 does not work"),
        ({"accumulate_grad_batches": 0}, "train.accumulate_grad_batches=0 does not work; expected at least 1 batch"),
        ({"ema_decay": 1.0}, "train.ema_decay=1.0 does not work; expected null, or above 0 and below 1"),
    ],
)
def test_invalid_schedules_are_errors(invalid, message):
    with pytest.raises(ConfigError, match=message):
        TrainSettings(**invalid)
