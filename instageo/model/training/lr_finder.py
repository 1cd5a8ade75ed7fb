"""A range test: which learning rate a network learns fastest at, before it diverges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from instageo.errors import DataError

DIVERGED = 4.0
"""A loss of so many times the lowest one ends the test."""


@dataclass(frozen=True)
class RangeTestResult:
    """What a range test found.

    Attributes:
        rates: Learning rate of each step, rising by the same factor.
        losses: Mean loss of the batches of each step.
        smoothed: The same, averaged over neighbouring steps.
        best: The suggested rate, one of `rates`.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    best: float

    @property
    def cut_short(self) -> bool:
        """Whether the loss falls fastest in the last tenth, and is lowest at the end: higher rates may be better."""
        late = self.rates.index(self.best) >= 0.9 * len(self.rates)
        return late and bool(self.smoothed[-1] == min(self.smoothed))


class RangeTest(pl.Callback):
    """Raises the learning rate by the same factor each optimiser step, and takes down the losses (Smith 2017).

    Groups of parameters keep the proportions of their rates. Training is stopped when the loss, averaged over the last
    steps, is `DIVERGED` times the lowest such average, or no number.

    Args:
        low: First rate.
        high: Last rate.
        steps: Optimiser steps from the first to the last.
        learning_rate: The rate that the optimiser was built for.
    """

    def __init__(self, low: float, high: float, steps: int, learning_rate: float) -> None:
        self.rates = [float(rate) for rate in np.geomspace(low, high, steps)]
        self.losses: list[float] = []
        self.learning_rate = learning_rate
        self._window = window_of(steps)
        self._of_step: list[float] = []
        self._lowest = math.inf

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Set the rate of the step that the batch belongs to."""
        share = self.rates[trainer.global_step] / self.learning_rate
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * share

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Take down the loss; stop where it diverges."""
        loss = trainer.strategy.reduce(outputs["loss"], reduce_op="mean")  # all processes stop together
        self._of_step.append(float(loss) * trainer.accumulate_grad_batches)
        if trainer.global_step == len(self.losses):
            return
        self.losses.append(sum(self._of_step) / len(self._of_step))
        self._of_step = []
        recent = float(np.mean(self.losses[-self._window :]))
        self._lowest = min(self._lowest, recent)
        if not recent < DIVERGED * self._lowest:
            trainer.should_stop = True

    def result(self) -> RangeTestResult:
        """What was found, up to the last finite loss.

        Raises:
            DataError: The loss falls at no rate.
        """
        finite = next((place for place, loss in enumerate(self.losses) if not math.isfinite(loss)), len(self.losses))
        rates, losses = self.rates[:finite], self.losses[:finite]
        smoothed = smooth(losses, self._window)
        place = steepest(rates, smoothed)
        if place is None:
            raise DataError(
                f"the loss falls at no learning rate from {self.rates[0]:g} to {self.rates[-1]:g}; widen "
                "train.lr_find, and compare dataloader.mean and std with mode=stats"
            )
        return RangeTestResult(tuple(rates), tuple(losses), tuple(smoothed), rates[place])


def window_of(steps: int) -> int:
    """Steps that a loss is averaged over: a tenth, an odd number of at least 3."""
    return max(steps // 10, 3) // 2 * 2 + 1


def smooth(losses: Sequence[float], window: int) -> NDArray[np.float64]:
    """Mean of each loss and its neighbours, `window` of them in all, fewer at both ends: without delay."""
    if not len(losses):
        return np.zeros(0)
    sums, counts = (np.convolve(each, np.ones(window))[window // 2 :] for each in (losses, np.ones(len(losses))))
    return np.asarray((sums / counts)[: len(losses)], dtype=np.float64)


def steepest(rates: Sequence[float], losses: NDArray[np.float64]) -> int | None:
    """Place where the loss falls fastest over the logarithm of the rate, before it is lowest; None if it never does."""
    lowest = int(np.argmin(losses)) if len(losses) else 0
    if lowest < 2:
        return None
    slopes = np.gradient(losses[: lowest + 1], np.log(rates[: lowest + 1]))
    return int(np.argmin(slopes))
