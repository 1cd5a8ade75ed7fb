"""Callbacks of a training run: checkpoints, and a history table that survives resuming."""

import csv
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from instageo.errors import DataError
from instageo.files import atomic_path
from instageo.model.figures.curves import draw_learning_curve
from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.tasks.base import Monitor
from instageo.model.training.callbacks.ema import EMACallback
from instageo.model.training.schedules import PlateauCallback
from instageo.runtime.progress import ProgressLog, format_duration
from instageo.wording import counted

log = logging.getLogger(__name__)

CHECK_INTERVAL = 50
"""Optimiser steps between two checks of the loss; reading it waits for the device."""


RECENT, MIN_LEFT_S = 5, 30
"""Epochs whose time is used to estimate the time left; seconds from which it is shown."""


class History(pl.Callback):
    """One row per epoch: logged, written to `history.csv` and `learning_curve.png`, and stored in the checkpoints."""

    def __init__(self, folder: Path, monitor: str) -> None:
        self.folder, self.monitor = folder, monitor
        self.rows: list[dict[str, float]] = []
        self._epoch_start = time.monotonic()
        self._progress: ProgressLog | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows of the run that is resumed."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = time.monotonic()
        name = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, batch"
        self._progress = None if sys.stderr.isatty() else ProgressLog(name, int(trainer.num_training_batches))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the progress of a long epoch from time to time, where no bar is shown."""
        if self._progress and trainer.is_global_zero:
            self._progress.update(batch_idx + 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch, and write the table."""
        scores = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        seconds = round(time.monotonic() - self._epoch_start, 2)
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": trainer.current_epoch + 1, "seconds": seconds, "learning_rate": rate, **scores})
        if trainer.is_global_zero:
            self._write()
            shown = ", ".join(
                f"{name} {scores[name]:.4f}" for name in ("train_loss", "val_loss", self.monitor) if name in scores
            )
            number, total = trainer.current_epoch + 1, int(trainer.max_epochs or 1)
            left = (total - number) * sum(row["seconds"] for row in self.rows[-RECENT:]) / len(self.rows[-RECENT:])
            note = f"; about {format_duration(left)} left" if left >= MIN_LEFT_S else ""
            log.info("epoch %d of %d: %s, %.1f s%s", number, total, shown, seconds, note)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the curve."""
        if trainer.is_global_zero and self.rows:
            draw_learning_curve(self.rows, self.folder / "learning_curve.png")

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with (
            atomic_path(self.folder / "history.csv") as path,
            open(path, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)


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


class EarlyStoppingWithNotice(EarlyStopping):
    """Early stopping that says in the log why a run ended before its last epoch."""

    @property
    def state_key(self) -> str:
        """Key of its state in checkpoints, that of Lightning's own class."""
        return super().state_key.replace(type(self).__qualname__, EarlyStopping.__qualname__, 1)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget where an earlier part of a resumed run stopped."""
        self.stopped_epoch = 0

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the reason if the run was stopped."""
        if self.stopped_epoch and trainer.is_global_zero:
            log.info(
                "stopped early after epoch %d of %s: no better %s than %.4f for %s (train.early_stopping_patience)",
                self.stopped_epoch + 1, trainer.max_epochs, self.monitor, float(self.best_score),
                counted(self.wait_count, "epoch"),
            )  # fmt: skip


def build_callbacks(
    folder: Path,
    monitor: Monitor,
    *,
    ema_decay: float | None = None,
    reduce_on_plateau: bool = False,
    early_stopping_patience: int | None = None,
) -> list[pl.Callback]:
    """Build the callbacks that write the history, the best epoch's weights and the newest full state.

    Args:
        folder: Where the files go.
        monitor: The validation score that chooses the best epoch.
        ema_decay: Decay of averaged weights; None for no average.
        reduce_on_plateau: Whether the learning rate depends on the validation score.
        early_stopping_patience: Epochs without a better score before the run ends; None or 0 for no early stopping.
    """
    score, mode = monitor.name, monitor.mode
    optional: list[pl.Callback] = []
    if ema_decay is not None:
        optional.append(EMACallback(ema_decay))
    if reduce_on_plateau:
        optional.append(PlateauCallback(score, mode))
    if early_stopping_patience:
        optional.append(EarlyStoppingWithNotice(score, mode=mode, patience=early_stopping_patience))
    best = ModelCheckpoint(folder, BEST, monitor=score, mode=mode, save_weights_only=True, enable_version_counter=False)
    last = ModelCheckpoint(folder, LAST, enable_version_counter=False, save_on_train_epoch_end=True)
    return [History(folder, score), StopOnNonFinite(), *optional, best, last]
