"""What a training run leaves: checkpoints, and its history as a table that survives resuming."""

import csv
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from instageo.errors import DataError
from instageo.model.figures.curves import learning_curve
from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.settings import Scheduler, TrainSettings
from instageo.model.tasks.base import Monitor
from instageo.model.training.ema import EMACallback
from instageo.model.training.schedules import LowerOnPlateau

log = logging.getLogger(__name__)


class History(pl.Callback):
    """One row per epoch: logged, written to `history.csv` and `learning_curve.png`, and kept in the checkpoints."""

    def __init__(self, folder: Path, monitor: str) -> None:
        self.folder, self.monitor = folder, monitor
        self.rows: list[dict[str, float]] = []
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The rows of the run that is resumed."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch."""
        measured = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        seconds = round(time.monotonic() - self._began, 2)
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": trainer.current_epoch + 1, "seconds": seconds, "learning_rate": rate, **measured})
        if trainer.is_global_zero:
            self._write()
            shown = ", ".join(
                f"{name} {measured[name]:.4f}" for name in ("train_loss", "val_loss", self.monitor) if name in measured
            )
            log.info("epoch %d of %s: %s, %.1f s", trainer.current_epoch + 1, trainer.max_epochs, shown, seconds)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the curve."""
        if trainer.is_global_zero and self.rows:
            learning_curve(self.rows, self.folder / "learning_curve.png")

    def _write(self) -> None:
        temporary = self.folder / ".history.csv.part"
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(temporary, self.folder / "history.csv")


class StopOnNonFinite(pl.Callback):
    """Ends a run whose loss is no longer a number, with a sentence instead of a useless model."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Look at the loss every so often; reading it waits for the device."""
        if trainer.global_step % 50 == 1:
            self._refuse(float(outputs["loss"]), f"at step {trainer.global_step}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the epoch's mean loss, before any checkpoint is written."""
        self._refuse(float(trainer.callback_metrics["train_loss"]), f"in epoch {trainer.current_epoch + 1}")

    def _refuse(self, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            raise DataError(
                f"the loss is {loss} {when}; lower train.learning_rate, set train.gradient_clip_val=1, "
                "and compare dataloader.mean and std with mode=stats"
            )


def callbacks(folder: Path, course: TrainSettings, monitor: Monitor) -> list[pl.Callback]:
    """The history, the best epoch's weights, the newest full state and, if asked for, what else goes with an epoch.

    Args:
        folder: Where the files go.
        course: Says whether there are averaged weights, plateaus and early stopping.
        monitor: The validation score to go by.
    """
    score, mode = monitor.name, monitor.mode
    chosen: list[pl.Callback] = [History(folder, score), StopOnNonFinite()]
    if course.ema_decay is not None:
        chosen.append(EMACallback(course.ema_decay))
    if course.scheduler is Scheduler.plateau:
        chosen.append(LowerOnPlateau(score, mode))
    if course.early_stopping_patience:
        chosen.append(EarlyStopping(score, mode=mode, patience=course.early_stopping_patience))
    best = ModelCheckpoint(folder, BEST, monitor=score, mode=mode, save_weights_only=True, enable_version_counter=False)
    last = ModelCheckpoint(folder, LAST, enable_version_counter=False, save_on_train_epoch_end=True)
    return [*chosen, best, last]
