"""Compute a network with OpenVINO on CPUs, tile by tile on all threads."""

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import BackendUnavailableError, WriteError
from instageo.model.backends.backend import BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.conversion_memory import require_conversion_memory
from instageo.model.backends.converted_models import content_checksum, converted_model, has_converted
from instageo.model.backends.openvino_probe import check_in_own_process, reshape_to_single
from instageo.model.backends.torch_backend import TorchBackend
from instageo.model.graphs.openvino_graph import to_openvino
from instageo.model.graphs.openvino_package import import_openvino, openvino_core
from instageo.model.graphs.program import INPUT_NAMES, trace_network
from instageo.model.graphs.quantization import QuantizationError, quantize_openvino
from instageo.version import __version__
from instageo.wording import first_line

HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}
"""OpenVINO's hint of the precision, by ours: without one it takes bfloat16 wherever the CPU knows it."""

MIN_CALIBRATION_CHIPS = 8
"""Fewest chips from which the ranges of activations are estimated."""

MAX_CALIBRATION_CHIPS = 64
"""Most chips that are used."""

UNCALIBRATED = (
    f"int8 is calibrated once for each model, with at least {MIN_CALIBRATION_CHIPS} tiles: run mode=chip_inference "
    "engine.backend=openvino engine.precision=int8 on training chips first, or export it for tiles of this size: "
    "instageo export MODEL --format openvino --precision int8 --normalized-input --logits"
)
"""Why int8 cannot be had, and what to do."""

MODEL = "model.xml"
"""File of a converted model; its weights lie next to it."""


class OpenVinoBackend:
    """A network compiled by OpenVINO for single chips of one shape; PyTorch computes others.

    Each thread of the CPU computes one chip, so that no chip's output depends on the others of its batch.

    Args:
        network: The network.
        precision: `f32`, `bf16` or `int8`.
        compiled: As OpenVINO compiled it for one chip.
        num_streams: Chips that are computed at the same time.
        content: Checksum of the converted model, if outputs depend on how it was made.
    """

    def __init__(
        self, network: NetworkSource, precision: str, compiled: Any, num_streams: int, content: str | None = None
    ) -> None:
        self.choice = BackendChoice("openvino", precision)
        self.stamp = f"{self.choice} {content or import_openvino().__version__}"
        self._shape, self._compiled, self._num_streams = network.shape, compiled, num_streams
        self.size: tuple[int, int] | None = network.shape.size
        self._others = TorchBackend(network.net, "f32", network.device)
        self._of_thread = threading.local()
        self._names = [port.any_name for port in compiled.inputs]

    def __call__(self, image: Tensor, time: Tensor | None, location: Tensor | None) -> Tensor:
        """Return outputs (B, K, h, w), float32."""
        if time is None or location is None or ChipBatch(image, time, location).shape != self._shape:
            return self._others(image, time, location)
        parts = dict(zip(INPUT_NAMES, (image, time, location), strict=True))
        inputs = {name: np.ascontiguousarray(parts[name].numpy(), np.float32) for name in self._names}
        requests, outputs = self._requests(), list[NDArray[np.float32]]()
        for index in range(len(image)):
            request = requests[index % len(requests)]
            if index >= len(requests):
                outputs.append(_take(request))
            chip = {name: part[index : index + 1] for name, part in inputs.items()}
            request.start_async(chip, share_inputs=True)
        first = len(outputs)
        outputs += [_take(requests[index % len(requests)]) for index in range(first, len(image))]
        return torch.from_numpy(np.concatenate(outputs))

    def _requests(self) -> list[Any]:
        """Return the requests of this thread, which no other uses."""
        if not hasattr(self._of_thread, "requests"):
            self._of_thread.requests = [self._compiled.create_infer_request() for _ in range(self._num_streams)]
        requests: list[Any] = self._of_thread.requests
        return requests


def build_openvino(network: NetworkSource, precision: str, tiles: ChipBatch | None) -> OpenVinoBackend:
    """Compile a network, which is converted if that was not done before.

    Args:
        network: The network.
        precision: `f32`, `bf16` or `int8`.
        tiles: Chips that int8 is calibrated with, if there is no export and that was not done before.

    Raises:
        BackendUnavailableError: It cannot be converted or computed here.
        MissingExtraError: OpenVINO, or for int8 NNCF, is not installed.
    """
    quantized = precision == "int8"
    with ExitStack() as stack:
        key = conversion_key(network, quantized=quantized)
        convert = _quantizer(network, tiles) if quantized else _converter(network)
        folder = stack.enter_context(converted_model(key, convert))
        content = content_checksum(folder)[:16] if quantized else None
        threads = torch.get_num_threads()
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = openvino_core()
            model = core.read_model(folder / MODEL)
            reshape_to_single(model)
            compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise BackendUnavailableError(f"it cannot be compiled ({first_line(error)})") from error
    return OpenVinoBackend(network, precision, compiled, threads, content)


def conversion_key(network: NetworkSource, *, quantized: bool) -> str:
    """Return a checksum of what a converted model depends on: the network, its shape, the export, and the versions."""
    exported = sorted(network.int8.checksums.items()) if quantized and network.int8 else None
    versions = __version__, torch.__version__, import_openvino().__version__
    return sha256(repr((network.checksum, network.shape, quantized, exported, *versions)).encode()).hexdigest()


def is_converted(network: NetworkSource, precision: str) -> bool:
    """Return whether a network was converted before, so that it can be had within a second or two."""
    return has_converted(conversion_key(network, quantized=precision == "int8"))


def _converter(network: NetworkSource) -> Callable[[Path], None]:
    def convert(folder: Path) -> None:
        require_conversion_memory(network)
        try:
            model = to_openvino(trace_network(network.net, network.shape), network.shape)
        except (RuntimeError, ValueError, TypeError, torch._dynamo.exc.TorchDynamoException) as error:
            raise BackendUnavailableError(f"it cannot be converted ({first_line(error)})") from error
        _save(model, folder / MODEL)
        check_in_own_process(folder / MODEL, "f32")

    return convert


def _quantizer(network: NetworkSource, tiles: ChipBatch | None) -> Callable[[Path], None]:
    def convert(folder: Path) -> None:
        if network.int8 is not None:
            network.int8.copy_to(folder, Path(MODEL).stem)
            check_in_own_process(folder / MODEL, "f32")
            return
        if tiles is None or len(tiles.image) < MIN_CALIBRATION_CHIPS:
            raise BackendUnavailableError(UNCALIBRATED)
        with converted_model(conversion_key(network, quantized=False), _converter(network)) as original:
            try:
                model = quantize_openvino(openvino_core().read_model(original / MODEL), _feeds(tiles))
            except QuantizationError as error:
                raise BackendUnavailableError(str(error)) from error
        _save(model, folder / MODEL)
        check_in_own_process(folder / MODEL, "f32")

    return convert


def _feeds(chips: ChipBatch) -> list[dict[str, NDArray[np.float32]]]:
    """Return the inputs of single chips by name."""
    few = chips.head(MAX_CALIBRATION_CHIPS)
    return [
        {name: part[index : index + 1].numpy() for name, part in few._asdict().items()}
        for index in range(len(few.image))
    ]


def _save(model: Any, path: Path) -> None:
    """Write a model; OpenVINO says of a full disk only that its stream has failed.

    Raises:
        WriteError: The disk refuses the files.
    """
    try:
        import_openvino().save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        free = shutil.disk_usage(path.parent).free / 1e6
        raise WriteError(
            f"{path.parent.parent}: the converted model cannot be written ({first_line(error)}; {free:.0f} MB free); "
            "free some disk space, or set INSTAGEO_CACHE to another folder"
        ) from error


def _take(request: Any) -> NDArray[np.float32]:
    request.wait()
    output: NDArray[np.float32] = request.get_output_tensor(0).data.astype(np.float32)  # a copy
    return output
