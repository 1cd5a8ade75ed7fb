"""Courses of the learning rate, by hand and against PyTorch's own schedulers."""

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
    """The first group's rate at each step; `after_epoch` is called with the number of each finished epoch."""
    seen = []
    for step in range(1, steps + 1):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        if epoch and step % epoch == 0:
            after_epoch(step // epoch)
    return seen


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
def test_shares_of_the_rate_of_ten_epochs_with_two_of_warm_up(kind, epoch, expected):
    assert Schedule(kind, warmup_epochs=2).share(epoch, 10) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_is_that_of_pytorch_but_for_half_a_step():
    ours, theirs = optimizer(0.1), optimizer(0.1)
    mine = rates(ours, WarmupLR(ours, Schedule("one_cycle"), 100, 20), 2000)
    other = rates(theirs, OneCycleLR(theirs, 0.1, 2000, cycle_momentum=False), 1999)
    assert max(abs(a - b) for a, b in zip(mine, other, strict=False)) < 0.1 * math.pi / 2 / 600  # steepest, one step
    assert max(mine) == pytest.approx(0.1, rel=1e-5)


def test_every_step_of_a_short_cycle_has_a_rate():
    for steps in (1, 2, 3):
        chosen = optimizer(1.0)
        assert all(0 < rate <= 1 for rate in rates(chosen, WarmupLR(chosen, Schedule("one_cycle"), steps, 1), steps))


def test_a_plateau_lowers_the_rate_as_pytorch_does():
    scores = [0.1, 0.2, 0.2, 0.1, math.nan, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    ours, theirs = optimizer(0.1), optimizer(0.1)
    course = WarmupLR(ours, Schedule("plateau", factor=0.5, patience=2), 3, 11)
    reference = ReduceLROnPlateau(theirs, "max", factor=0.5, patience=1, threshold=0)
    expected = []
    for score in scores:
        expected += [theirs.param_groups[0]["lr"]] * 3
        theirs.step()
        reference.step(score)
    mine = rates(ours, course, 33, lambda epoch: course.observe(scores[epoch - 1]), 3)
    assert mine == pytest.approx(expected)
    assert mine[::3] == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2 + [0.0125])


def test_a_plateau_keeps_warm_up_and_the_proportions_of_groups():
    chosen = optimizer(0.4, 0.1)
    course = WarmupLR(chosen, Schedule("plateau", warmup_epochs=2, factor=0.5, patience=1), 1, 9)
    seen = rates(chosen, course, 4, lambda epoch: course.observe(0), 1)
    assert seen == pytest.approx([0.4 * 0.25, 0.4 * 0.75, 0.4 * 0.5, 0.4 * 0.25])
    assert chosen.param_groups[0]["lr"] == 4 * chosen.param_groups[1]["lr"]


@pytest.mark.parametrize("stop", range(1, 6))
@pytest.mark.parametrize("kind", [kind.value for kind in Scheduler])
def test_what_a_schedule_saves_is_all_it_needs(kind, stop):  # pitfall 31
    scores = [3, 2, 1, 4, 1, 0]
    whole, first, second = optimizer(1.0), optimizer(1.0), optimizer(1.0)
    undisturbed, begun, resumed = (
        WarmupLR(chosen, Schedule(kind, factor=0.1, patience=2), 2, 6) for chosen in (whole, first, second)
    )
    expected = rates(whole, undisturbed, 12, lambda epoch: undisturbed.observe(scores[epoch - 1]), 2)
    seen = rates(first, begun, 2 * stop, lambda epoch: begun.observe(scores[epoch - 1]), 2)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(begun.state_dict())
    seen += rates(second, resumed, 12 - 2 * stop, lambda epoch: resumed.observe(scores[stop + epoch - 1]), 2)
    assert seen == expected


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"scheduler": Scheduler.one_cycle, "warmup_epochs": 1}, "train.scheduler=one_cycle rises by itself"),
        ({"plateau_factor": 1.0}, "train.plateau_factor=1.0 does not work; expected above 0, below 1"),
        ({"plateau_patience": 0}, "train.plateau_patience=0 does not work"),
        ({"accumulate": 0}, "train.accumulate_grad_batches=0 does not work; expected at least 1 batch"),
        ({"ema": 1.0}, "train.ema_decay=1.0 does not work; expected null, or above 0 and below 1"),
    ],
)
def test_impossible_courses_are_refused(wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        TrainSettings(**wrong)
