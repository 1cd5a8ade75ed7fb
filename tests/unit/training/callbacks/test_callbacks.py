"""What callbacks say in the log."""

import logging

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader, TensorDataset

from instageo.model.training.callbacks.early_stopping import EarlyStoppingWithNotice

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
]


class Scores(pl.LightningModule):
    """A module that logs given scores, one per epoch."""

    def __init__(self, scores):
        super().__init__()
        self.layer, self.scores = torch.nn.Linear(1, 1), scores

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_mIoU", self.scores[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(scores, patience):
    loader = DataLoader(TensorDataset(torch.zeros(1, 1)))
    callback = EarlyStoppingWithNotice("val_mIoU", mode="max", patience=patience)
    trainer = pl.Trainer(
        max_epochs=len(scores), accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[callback], num_sanity_val_steps=0, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(Scores(scores), loader, loader)
    return callback


def test_early_stopping_says_when_and_why(caplog):
    caplog.set_level(logging.INFO, logger="instageo")
    callback = fit([0.3, 0.5, 0.5, 0.4, 0.9, 0.9], patience=2)
    assert "stopped early after epoch 4 of 6: no better val_mIoU than 0.5000 for 2 epochs" in caplog.text
    assert callback.state_key == EarlyStopping("val_mIoU", mode="max").state_key  # so that earlier runs resume


def test_a_run_that_was_not_stopped_says_nothing(caplog):
    caplog.set_level(logging.INFO, logger="instageo")
    fit([0.3, 0.4, 0.5], patience=1)
    assert "stopped early" not in caplog.text
