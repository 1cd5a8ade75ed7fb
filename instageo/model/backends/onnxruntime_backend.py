"""Compute a network with ONNX Runtime on CPUs, in float32."""

import logging
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instageo.errors import BackendUnavailableError
from instageo.extras import required_by
from instageo.model.backends.backend import BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.conversion_memory import require_conversion_memory
from instageo.model.backends.converted_models import converted_model, has_converted
from instageo.model.backends.torch_backend import TorchBackend
from instageo.model.graphs.program import trace_network
from instageo.version import __version__

MODEL = "model.onnx"
"""File of a converted model, weights included."""

OPSET = 18
"""Version of ONNX's operators."""

ERRORS_ONLY = 3
"""Level of the runtime's log."""


class OnnxRuntimeBackend:
    """A network as ONNX Runtime computes chips of one shape; PyTorch computes others.

    Args:
        network: The network.
        session: Session of the runtime.
        version: Version of the runtime.
    """

    def __init__(self, network: NetworkSource, session: Any, version: str) -> None:
        self.choice = BackendChoice("onnxruntime", "f32")
        self.stamp = f"{self.choice} {version}"
        self._shape, self._session = network.shape, session
        self._names = [port.name for port in session.get_inputs()]
        self.size: tuple[int, int] | None = network.shape.size
        self._others = TorchBackend(network.net, "f32", network.device)

    def __call__(self, image: Tensor, time: Tensor | None, location: Tensor | None) -> Tensor:
        """Return outputs (B, K, h, w), float32."""
        if time is None or location is None or ChipBatch(image, time, location).shape != self._shape:
            return self._others(image, time, location)
        parts = {"image": image, "time": time, "location": location}
        inputs = {name: np.ascontiguousarray(parts[name].numpy(), np.float32) for name in self._names}
        return torch.from_numpy(self._session.run(None, inputs)[0])


def build_onnxruntime(network: NetworkSource, precision: str, tiles: ChipBatch | None) -> OnnxRuntimeBackend:  # noqa: ARG001
    """Load a network into ONNX Runtime; it is converted if that was not done before.

    Raises:
        BackendUnavailableError: It cannot be converted or computed here.
        MissingExtraError: The runtime, or what converts, is not installed.
    """
    with required_by("engine.backend=onnxruntime", "export"):
        import onnxruntime
    with converted_model(_key(network, onnxruntime.__version__), lambda folder: _convert(network, folder)) as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.log_severity_level = ERRORS_ONLY
        try:
            session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
        except (RuntimeError, ValueError) as error:
            raise BackendUnavailableError(f"it cannot be loaded ({str(error).splitlines()[0]})") from error
    return OnnxRuntimeBackend(network, session, onnxruntime.__version__)


def is_converted_to_onnx(network: NetworkSource, precision: str) -> bool:  # noqa: ARG001
    """Return whether a network was converted before."""
    with required_by("engine.backend=onnxruntime", "export"):
        import onnxruntime
    return has_converted(_key(network, onnxruntime.__version__))


def _key(network: NetworkSource, version: str) -> str:
    parts = "onnx", network.checksum, network.shape, __version__, torch.__version__, version
    return sha256(repr(parts).encode()).hexdigest()


def _convert(network: NetworkSource, folder: Path) -> None:
    with required_by("engine.backend=onnxruntime", "export"):
        import onnxscript  # noqa: F401  # what torch.onnx needs
    require_conversion_memory(network)
    for name in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = trace_network(network.net, network.shape)
            converted = torch.onnx.export(
                program,
                input_names=["image", "time", "location"],
                output_names=["output"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
                external_data=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackendUnavailableError(f"it cannot be converted ({reason})") from error
    if converted is None:
        raise BackendUnavailableError("it cannot be converted to ONNX")
    converted.save(folder / MODEL)
