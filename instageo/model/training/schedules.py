"""Learning-rate schedules: the multiplier of each step, and its reduction when the validation score stops improving."""

import math
from dataclasses import dataclass
from typing import Literal

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

ONE_CYCLE_RISE = 0.3
"""One cycle: share of the run over which the rate rises."""

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000
"""One cycle: first and last rate as shares of the highest."""


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the course of a run.

    Attributes:
        kind: `constant`; `cosine`, falling to 0; `one_cycle` (Smith and Topin 2018): up along a cosine over the first
            30 % of the run, from 1/25 of the highest rate, then down along another to 1/250000; `plateau`: constant,
            and reduced when the validation score stops improving.
        warmup_epochs: Epochs over which the rate rises in proportion from 0; without effect on `one_cycle`.
        plateau_factor: Factor by which a plateau multiplies the rate, below 1.
        plateau_patience: Epochs without a better score that make a plateau.
    """

    kind: Literal["constant", "cosine", "one_cycle", "plateau"]
    warmup_epochs: float = 0.0
    plateau_factor: float = 0.5
    plateau_patience: int = 5

    def multiplier(self, epoch: float, num_epochs: int) -> float:
        """Return the share of the highest rate after `epoch` of `num_epochs` epochs, without plateaus."""
        if self.kind == "one_cycle":
            peak = ONE_CYCLE_RISE * num_epochs
            if epoch < peak:
                return _cosine(ONE_CYCLE_START, 1.0, epoch / peak)
            return _cosine(1.0, ONE_CYCLE_END, (epoch - peak) / (num_epochs - peak))
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        if self.kind == "cosine":
            return _cosine(1.0, 0.0, (epoch - self.warmup_epochs) / max(num_epochs - self.warmup_epochs, 1e-9))
        return 1.0


def _cosine(start: float, end: float, progress: float) -> float:
    """Interpolate from `start` to `end` along half a cosine; `progress` is 0..1, larger values count as 1."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


class WarmupLR(LambdaLR):
    """Follows a schedule; stepped after every optimiser step, it gives each step the rate of its middle.

    The length of the run is not part of its state: a run that is resumed with more epochs follows the longer schedule.

    Args:
        optimizer: Its groups keep the proportions of their rates.
        schedule: The schedule.
        steps_per_epoch: Optimiser steps of an epoch.
        num_epochs: Epochs of the run.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, steps_per_epoch: int, num_epochs: int) -> None:
        self.factor, self.patience = schedule.plateau_factor, schedule.plateau_patience
        self.scale, self.num_bad_epochs = 1.0, 0
        self.best = -math.inf

        def multiplier(step: int) -> float:
            return self.scale * schedule.multiplier((step + 0.5) / steps_per_epoch, num_epochs)

        super().__init__(optimizer, multiplier)

    def observe(self, score: float) -> None:
        """Take an epoch's score, the higher the better, and reduce the rate at once after a plateau.

        Counts as `torch.optim.lr_scheduler.ReduceLROnPlateau` does with a threshold of 0 and a patience smaller by one.
        The counters are part of `state_dict`.
        """
        if score > self.best:
            self.best, self.num_bad_epochs = score, 0
            return
        self.num_bad_epochs += 1
        if self.num_bad_epochs >= self.patience:
            self.scale, self.num_bad_epochs = self.scale * self.factor, 0
            for group, base, multiplier in zip(
                self.optimizer.param_groups, self.base_lrs, self.lr_lambdas, strict=True
            ):
                group["lr"] = base * multiplier(self.last_epoch)


class PlateauCallback(pl.Callback):
    """Passes each epoch's validation score to the schedule, before the epoch's state is saved.

    Lightning itself does so afterwards, so that a resumed run would miss the last score.

    Args:
        monitor: Name of the score.
        mode: `max` where higher is better, or `min`.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor, self.sign = monitor, 1.0 if mode == "max" else -1.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pass the score."""
        schedule = trainer.lr_scheduler_configs[0].scheduler
        if isinstance(schedule, WarmupLR):
            schedule.observe(self.sign * float(trainer.callback_metrics[self.monitor]))
