"""The course of the learning rate: what share of it a step gets, and how a standstill lowers it."""

import math
from dataclasses import dataclass
from typing import Literal

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

RISE, START, END = 0.3, 1 / 25, 1 / 250_000
"""One cycle: share of the run over which the rate rises; first and last rate as shares of the highest."""


@dataclass(frozen=True)
class Schedule:
    """The course of a learning rate over a run.

    Attributes:
        kind: `constant`; `cosine`, falling to 0; `one_cycle` (Smith and Topin 2018): up along a cosine over the first
            30 % of the run, from 1/25 of the highest rate, then down along another to 1/250000; `plateau`: constant,
            and lowered when the validation score stands still.
        warmup_epochs: Epochs over which the rate rises in proportion from 0; without effect on `one_cycle`.
        factor: By which a plateau multiplies the rate, below 1.
        patience: Epochs without a better score that make a plateau.
    """

    kind: Literal["constant", "cosine", "one_cycle", "plateau"]
    warmup_epochs: float = 0.0
    factor: float = 0.5
    patience: int = 5

    def share(self, epoch: float, epochs: int) -> float:
        """Share of the highest rate after `epoch` of `epochs` epochs, plateaus apart."""
        if self.kind == "one_cycle":
            rise = RISE * epochs
            if epoch < rise:
                return _cosine(START, 1.0, epoch / rise)
            return _cosine(1.0, END, (epoch - rise) / (epochs - rise))
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        if self.kind == "cosine":
            return _cosine(1.0, 0.0, (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9))
        return 1.0


def _cosine(begin: float, end: float, done: float) -> float:
    """From `begin` to `end` along half a cosine; `done` in 0..1, larger ones count as 1."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class WarmupLR(LambdaLR):
    """Follows a schedule. It is stepped after every optimiser step, and each of those gets the rate of its middle.

    The length of the run is not part of its state: a run resumed with more epochs follows the longer course.

    Args:
        optimizer: Its groups keep the proportions of their rates.
        schedule: The course.
        steps: Optimiser steps of an epoch.
        epochs: Of the run.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, steps: int, epochs: int) -> None:
        self.factor, self.patience = schedule.factor, schedule.patience
        self.scale, self.waited = 1.0, 0
        self.best = -math.inf
        super().__init__(optimizer, lambda step: self.scale * schedule.share((step + 0.5) / steps, epochs))

    def observe(self, score: float) -> None:
        """Take note of an epoch's score, the higher the better, and lower the rate at once if it stands still.

        Counts as `torch.optim.lr_scheduler.ReduceLROnPlateau` with a threshold of 0 and a patience less by one does.
        What it remembers is part of `state_dict`.
        """
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.scale, self.waited = self.scale * self.factor, 0
            for group, base, share in zip(self.optimizer.param_groups, self.base_lrs, self.lr_lambdas, strict=True):
                group["lr"] = base * share(self.last_epoch)


class LowerOnPlateau(pl.Callback):
    """Shows the schedule each epoch's validation score, before the epoch's state is saved.

    Lightning does so afterwards, so that a resumed run would miss the last score.

    Args:
        monitor: Name of the score.
        mode: `max` where higher is better, or `min`.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor, self.sign = monitor, 1.0 if mode == "max" else -1.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the score."""
        schedule = trainer.lr_scheduler_configs[0].scheduler
        if isinstance(schedule, WarmupLR):
            schedule.observe(self.sign * float(trainer.callback_metrics[self.monitor]))
