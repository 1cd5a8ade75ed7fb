"""The number format of a training is chosen by the device and a trial."""

import logging
from functools import partial

import pytest
import torch

from instageo.model.backends.cpu_features import cpu_features
from instageo.model.networks import device as networks_device
from instageo.model.networks.device import has_bf16_units
from instageo.model.settings import Settings
from instageo.model.settings.data import DataSettings
from instageo.model.settings.network import ModelSettings
from instageo.model.training.precision import _best_precision, _recorded_precision, trial_error

TINY = Settings(
    model=ModelSettings(model_name="prithvi_eo_tiny", depth=1),
    dataloader=DataSettings(img_size=32, mean=[0.0] * 6, std=[1.0] * 6),
    accelerator="cpu",
)


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """A function that describes the CPU as having some flags."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(networks_device, "cpu_features", partial(cpu_features, cpuinfo))
    return lambda flags: cpuinfo.write_text(f"flags : {flags}\n")


@pytest.fixture
def with_amx(cpu):
    cpu("avx2 avx512bw avx512_bf16 amx_bf16 amx_tile")


@pytest.mark.parametrize(
    ("flags", "cap", "expected"),
    [
        ("avx2 avx512bw avx512_bf16 amx_bf16 amx_tile", "ALL", True),
        ("avx2 avx512bw avx512_bf16", "ALL", True),
        ("avx2 avx512bw avx512_bf16 amx_bf16 amx_tile", "AVX512_CORE_BF16", True),
        ("avx2 avx512bw avx512_bf16 amx_bf16 amx_tile", "AVX512_CORE", False),
        ("avx2 avx512bw", "ALL", False),
    ],
)
def test_a_cpu_has_units_for_bfloat16_with_amx_or_avx512_bf16(monkeypatch, cpu, flags, cap, expected):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    cpu(flags)
    assert has_bf16_units("cpu") is expected
    assert not has_bf16_units("mps")


def test_a_trial_leaves_random_numbers_as_they_are_and_is_the_same_each_time():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    error = trial_error(TINY, "cpu")
    assert torch.equal(torch.rand(3), expected)
    assert error == trial_error(TINY, "cpu")
    assert 2**-9 < error < 0.05  # bfloat16 rounds to a part in 256


def test_bfloat16_is_chosen_where_the_cpu_has_units_for_it(with_amx, caplog):
    caplog.set_level(logging.INFO)
    assert _best_precision(TINY) == "bf16-mixed"
    assert "precision: bf16-mixed; outputs of a trial in bfloat16 deviate by" in caplog.text


def test_a_network_that_bfloat16_changes_is_trained_in_32_bits(with_amx, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("instageo.model.training.precision.LARGEST_ERROR", 1e-4)
    assert _best_precision(TINY) == "32-true"
    assert "precision: 32-true; outputs" in caplog.text


def test_without_units_32_bits_are_chosen_without_a_trial(caplog):
    caplog.set_level(logging.INFO)
    assert _best_precision(TINY) == "32-true"
    assert caplog.messages == ["precision: 32-true; this CPU has no units for bfloat16"]


@pytest.mark.parametrize(
    ("settings", "run", "expected"),
    [
        ({"precision": "bf16-mixed"}, {"precision": "auto"}, "bf16-mixed"),
        ({}, {"precision": "16-mixed"}, "16-mixed"),  # as earlier versions wrote it
        ({}, {}, "32-true"),
    ],
)
def test_a_resumed_run_keeps_the_format_of_its_checkpoint(settings, run, expected, tmp_path):
    torch.save({"instageo": {"settings": settings, "run": run}, "state_dict": {}}, tmp_path / "last.ckpt")
    assert _recorded_precision(tmp_path / "last.ckpt") == expected
