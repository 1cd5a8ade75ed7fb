"""Compute a network with ONNX Runtime on CPUs, in float32, chip by chip with one thread each."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import BackendUnavailableError, ConfigError
from instageo.extras import required_by
from instageo.model.backends.backend import BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.conversion_memory import require_conversion_memory
from instageo.model.backends.converted_models import converted_model, has_converted
from instageo.model.backends.torch_backend import TorchBackend
from instageo.model.graphs.onnx_graph import MAX_BYTES, to_onnx
from instageo.model.graphs.program import INPUT_NAMES, trace_network
from instageo.version import __version__
from instageo.wording import first_line

ONNX_PACKAGES = ("onnxruntime", "onnx", "onnxscript")
"""The runtime, and what converts."""

MODEL = "model.onnx"
"""File of a converted model, weights included."""

ERRORS_ONLY = 3
"""Level of the runtime's log."""


class OnnxRuntimeBackend:
    """A network as ONNX Runtime computes single chips of one shape; PyTorch computes others.

    Each thread computes one chip: several threads for one chip wait for each other at every layer, and no chip's output
    depends on the others of its batch or on the number of threads. All callers share the threads.

    Args:
        network: The network.
        session: Session of the runtime, which uses the calling thread alone.
        num_threads: Chips that are computed at the same time.
        version: Version of the runtime.
    """

    def __init__(self, network: NetworkSource, session: Any, num_threads: int, version: str) -> None:
        self.choice = BackendChoice("onnxruntime", "f32")
        self.stamp = f"{self.choice} {version}"
        self._shape, self._session = network.shape, session
        self._names = [port.name for port in session.get_inputs()]
        self.size: tuple[int, int] | None = network.shape.size
        self._others = TorchBackend(network.net, "f32", network.device)
        self._pool = ThreadPoolExecutor(num_threads, "onnxruntime") if num_threads > 1 else None

    def __call__(self, image: Tensor, time: Tensor | None, location: Tensor | None) -> Tensor:
        """Return outputs (B, K, h, w), float32."""
        if time is None or location is None or ChipBatch(image, time, location).shape != self._shape:
            return self._others(image, time, location)
        parts = dict(zip(INPUT_NAMES, (image, time, location), strict=True))
        inputs = {name: np.ascontiguousarray(parts[name].numpy(), np.float32) for name in self._names}

        def compute_chip(index: int) -> NDArray[np.float32]:
            chip = {name: part[index : index + 1] for name, part in inputs.items()}
            output: NDArray[np.float32] = self._session.run(None, chip)[0]
            return output

        run_all: Callable[..., Iterable[NDArray[np.float32]]] = map if self._pool is None else self._pool.map
        return torch.from_numpy(np.concatenate([*run_all(compute_chip, range(len(image)))]))


def build_onnxruntime(network: NetworkSource, precision: str, tiles: ChipBatch | None) -> OnnxRuntimeBackend:  # noqa: ARG001
    """Load a network into ONNX Runtime; it is converted if that was not done before.

    Raises:
        BackendUnavailableError: It cannot be converted or computed here.
        MissingExtraError: The runtime, or what converts, is not installed.
    """
    onnxruntime = _import_onnxruntime()
    with converted_model(_key(network, onnxruntime.__version__), lambda folder: _convert(network, folder)) as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.add_free_dimension_override_by_name("batch", 1)
        try:
            session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
        except (RuntimeError, ValueError) as error:
            raise BackendUnavailableError(f"it cannot be loaded ({first_line(error)})") from error
    return OnnxRuntimeBackend(network, session, torch.get_num_threads(), onnxruntime.__version__)


def is_converted_to_onnx(network: NetworkSource, precision: str) -> bool:  # noqa: ARG001
    """Return whether a network was converted before."""
    return has_converted(_key(network, _import_onnxruntime().__version__))


def _import_onnxruntime() -> Any:
    with required_by("engine.backend=onnxruntime", "fast"):
        import onnxruntime
    return onnxruntime


def _key(network: NetworkSource, version: str) -> str:
    parts = MODEL, network.checksum, network.shape, __version__, torch.__version__, version
    return sha256(repr(parts).encode()).hexdigest()


def _convert(network: NetworkSource, folder: Path) -> None:
    with required_by("engine.backend=onnxruntime", "fast"):
        import onnx
        import onnxscript  # noqa: F401  # which PyTorch's exporter needs
    if network.num_bytes >= MAX_BYTES:
        raise BackendUnavailableError(f"it has {network.num_bytes / 1e9:.1f} GB, and one file of ONNX holds 2 GB")
    require_conversion_memory(network)
    try:
        model = to_onnx(trace_network(network.net, network.shape), INPUT_NAMES)
    except (ConfigError, RuntimeError, ValueError, TypeError) as error:
        raise BackendUnavailableError(f"it cannot be converted ({first_line(error)})") from error
    onnx.save(model, folder / MODEL)
