"""The Lightning trainer as this program builds it."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch

from instageo.model.training.trainer import build_trainer
from instageo.runtime.termination import interrupt_on_sigterm


def test_sigterm_exchanges_nothing_between_processes(tmp_path, monkeypatch):
    def broadcast(*_, **__):
        raise AssertionError("the other processes may be in the middle of another exchange")

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    monkeypatch.setattr(pl.Trainer, "world_size", 2)
    with interrupt_on_sigterm() as termination:
        trainer = build_trainer(tmp_path, accelerator="cpu", devices=1, strategy="auto", precision="32-true")
        trainer._signal_connector.register_signal_handlers()
        try:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            trainer._signal_connector.teardown()
        assert termination.received
