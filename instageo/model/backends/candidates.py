"""The backends there are, and which of them are worth a trial for a request on this machine."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec

from instageo.model.backends.backend import AUTO, TORCH, Backend, BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.cpu_features import NATIVE_BF16
from instageo.model.backends.onnxruntime_backend import ONNX_PACKAGES, build_onnxruntime, is_converted_to_onnx
from instageo.model.backends.openvino_backend import build_openvino, is_converted
from instageo.model.backends.torch_backend import build_torch

Build = Callable[[NetworkSource, str, ChipBatch | None], Backend]
"""Builds a backend for a network and a precision, with chips to calibrate with."""


@dataclass(frozen=True)
class BackendEntry:
    """A runtime.

    Attributes:
        build: Builds it for a network.
        precisions: Its number formats, float32 first.
        is_ready: Returns whether it needs no conversion that takes long.
        packages: What must be installed, the runtime first.
        extra: Extra that installs it.
        on_gpu: Whether it computes on GPUs, too.
    """

    build: Build
    precisions: tuple[str, ...]
    is_ready: Callable[[NetworkSource, str], bool]
    packages: tuple[str, ...]
    extra: str
    on_gpu: bool = False


BACKENDS = {
    "torch": BackendEntry(build_torch, ("f32", "bf16"), lambda *_: True, ("torch",), "cpu", on_gpu=True),
    "openvino": BackendEntry(build_openvino, ("f32", "bf16", "int8"), is_converted, ("openvino",), "fast"),
    "onnxruntime": BackendEntry(build_onnxruntime, ("f32",), is_converted_to_onnx, ONNX_PACKAGES, "fast"),
}
"""Every runtime by its name in `engine.backend`."""

TRIED = {"cpu": ("torch", "openvino", "onnxruntime"), "cuda": ("torch",)}
"""Runtimes that `auto` tries, by device. Which is fastest on a CPU depends on its instruction sets and the network."""


INT8_BACKEND = "openvino"
"""The runtime that computes int8."""


def is_installed(backend: str) -> bool:
    """Return whether the packages of a runtime can be imported."""
    try:
        return all(find_spec(package) is not None for package in BACKENDS[backend].packages)
    except ValueError:  # its import is blocked
        return False


def candidates(
    request: BackendChoice, device: str, features: Collection[str], *, int8_export: bool = False
) -> list[BackendChoice]:
    """Return what a request leaves open, float32 in PyTorch first if it is among them.

    Args:
        request: The request.
        device: Kind of the device, as PyTorch calls it.
        features: Instruction sets, `cpu_features`; bfloat16 is tried only where one of them multiplies it.
        int8_export: Whether an export in int8 was compared with the network; without one int8 must be named.
    """
    native = device != "cpu" or bool(NATIVE_BF16 & set(features))
    formats = ("f32", *(("bf16",) if native else ()), *(("int8",) if int8_export else ()))
    if request.backend != AUTO:
        names: tuple[str, ...] = (request.backend,)
    elif request.precision == "int8":
        names = (INT8_BACKEND,)
    else:
        names = tuple(name for name in TRIED.get(device, ("torch",)) if is_installed(name))
    return [
        BackendChoice(name, precision)
        for name in names
        for precision in (formats if request.precision == AUTO else (request.precision,))
        if precision in BACKENDS[name].precisions and (device == "cpu" or BACKENDS[name].on_gpu)
    ] or [TORCH]
