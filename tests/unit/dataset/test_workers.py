"""Chips are read by as many processes as the user says; a GPU has one for each core by default, a CPU none."""

import os

import pytest
import torch

from instageo.model.dataset.from_settings import count_workers
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.runtime import shared_memory

SHAPE = (100, 100)


@pytest.fixture
def settings():
    """Six bands and batches of ten: a batch has 2 x 2.4 MB, a process three of them."""
    return update_settings(Settings(), {"train.batch_size": 10, "dataloader.bands": [0, 1, 2, 3, 4, 5]})


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e9}))


def test_a_cpu_has_none(settings):
    assert count_workers(settings, "cpu", SHAPE) == 0


def test_gpus_share_the_cores(settings):
    assert count_workers(settings, "cuda", SHAPE) == 8


def test_no_more_than_shared_memory_has_room_for(settings, monkeypatch):
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 180e6}))
    assert count_workers(settings, "cuda", SHAPE) == 3  # of 90 MB, 14.4 MB each, by two GPUs
    assert count_workers(settings, "cuda", (1000, 1000)) == 0


@pytest.mark.parametrize("chosen", [0, 3])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_a_user_says_holds(settings, device, chosen):
    assert count_workers(update_settings(settings, {"dataloader.num_workers": chosen}), device, SHAPE) == chosen
