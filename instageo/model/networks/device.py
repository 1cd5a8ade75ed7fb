"""The device to compute on, its number formats, and compilation."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.backends.cpu_features import cpu_features

HALF_PRECISION = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Half-precision number formats by their names in `precision`."""


def pick_device(accelerator: str) -> str:
    """Return the device for inference; for `auto` a GPU if the machine has one, else the CPU.

    Raises:
        ConfigError: The machine does not have the requested device.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    if accelerator in ("auto", "cpu"):
        return "cpu"
    raise ConfigError(f"accelerator={accelerator} does not work: this machine has no such device; use auto or cpu")


def find_device(name: str | torch.device | None) -> torch.device:
    """Return the device that a user names: as PyTorch does, or `gpu`, or `auto` and None for a GPU if there is one.

    Raises:
        ConfigError: The machine has no such device.
    """
    try:
        device = torch.device(pick_device(name or "auto") if name in (None, "auto", "gpu") else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError, ConfigError) as error:
        raise ConfigError(
            f"device={name!r} does not work: this machine has no such device; use 'cpu', or None for a GPU if there is "
            "one"
        ) from error
    return device


def has_bf16_units(device: str) -> bool:
    """Return whether a device multiplies matrices of bfloat16 numbers in hardware, rather than in software.

    On CPUs these are AMX and AVX-512 BF16, unless `ONEDNN_MAX_CPU_ISA` names a set of instructions without them.

    Args:
        device: `cpu`, `cuda` or `mps`.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(cpu_features() & {"amx_bf16", "avx512_bf16"})


@contextmanager
def inference_autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Compute without gradients, in half precision if `precision` says so, while this block lasts."""
    dtype = HALF_PRECISION.get(precision)
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
        yield


def compile_network(net: nn.Module, *, on_cpu: bool) -> None:
    """Set a network to be compiled at its first forward pass; its keys stay as they are.

    Raises:
        ConfigError: The CPU is to be compiled for and there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if on_cpu and shutil.which(compiler) is None:
        raise ConfigError(
            f"compile=true needs a C++ compiler, but {compiler} is not installed; install it, or remove compile=true"
        )
    net.compile()
