"""A learning-rate range test: find the rate at which the loss falls fastest, before it diverges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.runtime.progress import ProgressLog

LOG_INTERVAL_S = 10.0
"""Seconds between two log lines about progress."""

DIVERGENCE_RATIO = 4.0
"""A loss of this many times the lowest one ends the test."""


@dataclass(frozen=True)
class RangeTestResult:
    """The result of a range test.

    Attributes:
        rates: Learning rate of each step, rising by the same factor.
        losses: Mean loss of the batches of each step.
        smoothed: The losses, averaged over neighbouring steps.
        best: The suggested rate, one of `rates`.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    best: float

    @property
    def still_falling(self) -> bool:
        """Whether the loss falls fastest in the last tenth, and is lowest at the end: higher rates may be better."""
        in_last_tenth = self.rates.index(self.best) >= 0.9 * len(self.rates)
        return in_last_tenth and bool(self.smoothed[-1] == min(self.smoothed))


class RangeTest(pl.Callback):
    """Raises the learning rate by the same factor each optimiser step, and records the losses (Smith 2017).

    Groups of parameters keep the proportions of their rates. Training stops when the loss, averaged over the last
    steps, is `DIVERGENCE_RATIO` times the lowest such average, or is not finite.

    Args:
        low: First rate.
        high: Last rate.
        num_steps: Optimiser steps from the first to the last.
        learning_rate: The rate with which the optimiser was built.
    """

    def __init__(self, low: float, high: float, num_steps: int, learning_rate: float) -> None:
        self.rates = [float(rate) for rate in np.geomspace(low, high, num_steps)]
        self.losses: list[float] = []
        self.learning_rate = learning_rate
        self._window = smoothing_window(num_steps)
        self._step_losses: list[float] = []
        self._lowest = math.inf
        self._progress = ProgressLog("range test", num_steps, LOG_INTERVAL_S)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Set the rate of the step that the batch belongs to."""
        ratio = self.rates[trainer.global_step] / self.learning_rate
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * ratio

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Record the loss, and stop where it diverges."""
        loss = trainer.strategy.reduce(outputs["loss"], reduce_op="mean")  # all processes stop together
        self._step_losses.append(float(loss) * trainer.accumulate_grad_batches)
        if trainer.global_step == len(self.losses):
            return
        self.losses.append(sum(self._step_losses) / len(self._step_losses))
        self._step_losses = []
        recent = float(np.mean(self.losses[-self._window :]))
        self._lowest = min(self._lowest, recent)
        self._progress.update(
            len(self.losses), f", learning rate {self.rates[len(self.losses) - 1]:.1e}, loss {recent:.4f}"
        )
        if not recent < DIVERGENCE_RATIO * self._lowest:
            trainer.should_stop = True

    def result(self) -> RangeTestResult:
        """Return the result, up to the last finite loss.

        Raises:
            DataError: The loss falls at no rate.
        """
        num_finite = next((step for step, loss in enumerate(self.losses) if not math.isfinite(loss)), len(self.losses))
        rates, losses = self.rates[:num_finite], self.losses[:num_finite]
        smoothed = smooth(losses, self._window)
        step = find_steepest(rates, smoothed)
        if step is None:
            raise DataError(
                f"the loss falls at no learning rate from {self.rates[0]:g} to {self.rates[-1]:g}; widen "
                "train.lr_find, and compare dataloader.mean and std with mode=stats"
            )
        return RangeTestResult(tuple(rates), tuple(losses), tuple(smoothed), rates[step])


def smoothing_window(num_steps: int) -> int:
    """Return the number of steps to average a loss over: a tenth, odd and at least 3."""
    return max(num_steps // 10, 3) // 2 * 2 + 1


def smooth(losses: Sequence[float], window: int) -> NDArray[np.float64]:
    """Average each loss with its neighbours, without delay: `window` losses in all, fewer at both ends."""
    if not len(losses):
        return np.zeros(0)
    sums, counts = (np.convolve(each, np.ones(window))[window // 2 :] for each in (losses, np.ones(len(losses))))
    return np.asarray((sums / counts)[: len(losses)], dtype=np.float64)


def find_steepest(rates: Sequence[float], losses: NDArray[np.float64]) -> int | None:
    """Return the step where the loss falls fastest over the log of the rate, before its minimum, or None."""
    lowest = int(np.argmin(losses)) if len(losses) else 0
    if lowest < 2:
        return None
    slopes = np.gradient(losses[: lowest + 1], np.log(rates[: lowest + 1]))
    return int(np.argmin(slopes))
