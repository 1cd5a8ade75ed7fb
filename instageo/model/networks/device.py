"""Choose the device to compute on, its number format, and compilation."""

import os
import shutil

import torch
from torch import nn

from instageo.errors import ConfigError

HALF_PRECISION = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Number formats of `precision` that compute in half of the bits."""


def pick_device(accelerator: str) -> str:
    """The device for inference: for `auto` a GPU if there is one, else the CPU.

    Raises:
        ConfigError: A GPU was asked for and there is none.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "cuda"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    if accelerator in ("auto", "cpu"):
        return "cpu"
    raise ConfigError(f"accelerator={accelerator} does not work on this machine: no such device; use auto or cpu")


def compile_network(net: nn.Module, *, on_cpu: bool) -> None:
    """Have a network compiled when it first runs; its keys stay as they are.

    Raises:
        ConfigError: On a CPU without a C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if on_cpu and shutil.which(compiler) is None:
        raise ConfigError(
            f"compile=true needs a C++ compiler, and there is no {compiler}; install one, or leave it out"
        )
    net.compile()
