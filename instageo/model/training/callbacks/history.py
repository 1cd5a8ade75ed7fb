"""The history of a training: a row for each epoch, which survives resuming."""

import csv
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from instageo.files import atomic_path
from instageo.model.figures.curves import draw_learning_curve
from instageo.runtime.progress import ProgressLog, format_duration

log = logging.getLogger(__name__)

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
