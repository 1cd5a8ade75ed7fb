"""Choose the callbacks of a training, among them the checkpoints that it keeps."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.tasks.base import Monitor
from instageo.model.training.callbacks.early_stopping import EarlyStoppingWithNotice
from instageo.model.training.callbacks.ema import EMACallback
from instageo.model.training.callbacks.history import History
from instageo.model.training.callbacks.non_finite_loss import StopOnNonFinite
from instageo.model.training.schedules import PlateauCallback


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
