"""Stop a training whose validation score no longer gets better."""

import logging

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from instageo.wording import counted

log = logging.getLogger(__name__)


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
