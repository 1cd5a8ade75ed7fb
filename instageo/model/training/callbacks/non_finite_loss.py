"""Stop a training whose loss is NaN or infinite."""

import math
from typing import Any

import pytorch_lightning as pl

from instageo.errors import DataError

CHECK_INTERVAL = 50
"""Optimiser steps between two checks of the loss; reading it waits for the device."""


class StopOnNonFinite(pl.Callback):
    """Ends a run with an error as soon as its loss is not finite, instead of saving a useless model."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Check the loss of a step every `CHECK_INTERVAL` steps."""
        if trainer.global_step % CHECK_INTERVAL == 1:
            self._check(float(outputs["loss"]), f"at step {trainer.global_step}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the mean loss of the epoch, before any checkpoint is written."""
        self._check(float(trainer.callback_metrics["train_loss"]), f"in epoch {trainer.current_epoch + 1}")

    def _check(self, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            raise DataError(
                f"the loss is {loss} {when}; lower train.learning_rate, set train.gradient_clip_val=1, "
                "and compare dataloader.mean and std with mode=stats"
            )
