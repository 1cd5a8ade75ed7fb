"""Keeps the accounts of training while it goes on, and tells trackers what is trained."""

import time
from typing import Any

import pytorch_lightning as pl

from instageo.model.context import RunInfo, throughput
from instageo.model.settings.compose import flatten
from instageo.model.tracking.resilient_logger import ResilientLogger


class Tally(pl.Callback):
    """Notes epochs, chips and the seconds of learning (without validation), and has them written after every epoch.

    Args:
        info: Where to; its configuration is what trackers are told at the start.
    """

    def __init__(self, info: RunInfo) -> None:
        self.info = info
        self._epochs = self._chips = 0
        self._seconds = self._began = self._newest = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell trackers all settings, and note under which identity they keep the run."""
        for logger in trainer.loggers:
            if isinstance(logger, ResilientLogger):
                logger.log_hyperparams(flatten(self.info.configuration))
                self.info.trackers[logger.title] = logger.identity()
        self._keep()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = self._newest = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch, for all processes."""
        self._chips += len(batch.image) * trainer.world_size
        self._newest = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epoch."""
        self._epochs += 1
        self._seconds += self._newest - self._began
        if trainer.is_global_zero:
            self._keep()

    def _keep(self) -> None:
        self.info.work = {"epochs": self._epochs, **throughput(self._chips, self._seconds)}
        self.info.keep()
