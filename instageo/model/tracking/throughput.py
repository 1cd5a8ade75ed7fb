"""Measure epochs, chips and seconds of training for `run.json`."""

import time
from typing import Any

import pytorch_lightning as pl

from instageo.model.context import RunInfo, throughput
from instageo.model.settings.keys import flatten
from instageo.model.tracking.resilient_logger import ResilientLogger


class ThroughputCallback(pl.Callback):
    """Counts epochs, chips and seconds of training (without validation), and has `run.json` written every epoch.

    Args:
        info: Receives the counts; its configuration is sent to the trackers at the start.
    """

    def __init__(self, info: RunInfo) -> None:
        self.info = info
        self._epochs = self._chips = 0
        self._seconds = self._epoch_start = self._batch_end = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send all settings to the trackers, and record the run's identity at each."""
        for logger in trainer.loggers:
            if isinstance(logger, ResilientLogger):
                logger.log_hyperparams(flatten(self.info.configuration))
                self.info.trackers[logger.title] = logger.identity()
        self._record()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = self._batch_end = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch, for all processes."""
        self._chips += len(batch.image) * trainer.world_size
        self._batch_end = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epoch."""
        self._epochs += 1
        self._seconds += self._batch_end - self._epoch_start
        if trainer.is_global_zero:
            self._record()

    def _record(self) -> None:
        self.info.work = {"epochs": self._epochs, **throughput(self._chips, self._seconds)}
        self.info.save()
