"""Networks, tasks and trainers for tests of the Python API."""

import pytorch_lightning as pl
import torch

import instageo
from tests.integration.conftest import SIDE

TRAINER = {
    "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
    "enable_checkpointing": False, "log_every_n_steps": 1,
}  # fmt: skip


def small_network(**options):
    settings = {"num_classes": 2, "depth": 1, "img_size": SIDE}
    return instageo.build_network("prithvi_eo_tiny", **(settings | options))


def trained_task(data, epochs=1, **options):
    torch.manual_seed(42)
    net = small_network()
    dm = instageo.ChipDataModule(train=data / "train.csv", val=data / "valid.csv", batch_size=2, crop_size=SIDE)
    task = instageo.SegmentationTask(net, num_classes=2, loss="cross_entropy", lr=1e-3, **options)
    trainer = pl.Trainer(max_epochs=epochs, **TRAINER)
    trainer.fit(task, dm)
    return task, dm, trainer
