"""OpenVINO's own files: the graph as XML, and its weights."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.exports.export_format import ExportFormat, ExportOptions
from instageo.model.exports.gate import Runner
from instageo.model.exports.graph import ExportGraph, Feed
from instageo.model.exports.onnx_format import write_onnx
from instageo.model.graphs.openvino_graph import convert_program
from instageo.model.graphs.openvino_package import import_openvino, openvino_core
from instageo.model.graphs.quantization import quantize_openvino


def write_openvino(graph: ExportGraph, path: Path, options: ExportOptions) -> None:
    """Write a graph as `.xml` and `.bin`, in float32 or, with calibration, in int8.

    Raises:
        OSError: The disk refuses a file.
    """
    _save(convert_program(graph.trace(), graph.inputs), path, options)


def write_openvino_of_onnx(graph: ExportGraph, path: Path, options: ExportOptions) -> None:
    """Write a graph by way of ONNX, whose operators OpenVINO converts otherwise; attention gets slower."""
    with TemporaryDirectory(dir=path.parent) as folder:
        between = Path(folder) / "graph.onnx"
        write_onnx(graph, between, ExportOptions())
        _save(import_openvino().convert_model(between), path, options)


def _save(model: Any, path: Path, options: ExportOptions) -> None:
    if options.calibration:
        model = quantize_openvino(model, options.calibration)
    for key, text in options.metadata.items():
        model.set_rt_info(text, ["instageo", key])
    openvino = import_openvino()
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
        openvino_core().read_model(path)  # the last bytes of a file may be lost without an error
    except RuntimeError as error:
        raise OSError("OpenVINO cannot write it whole; free some disk space, or choose another folder") from error


def load_openvino(path: Path) -> Runner:
    """Load a file for the CPU, computing in float32 where it is not int8."""
    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(feed: Feed) -> NDArray[np.float32]:
        output: NDArray[np.float32] = np.array(compiled(dict(feed))[0])
        return output

    return run


FORMAT = ExportFormat(
    suffix=".xml",
    artifact_type="openvino.save_model",
    packages=("torch", "openvino"),
    write=write_openvino,
    alternative=write_openvino_of_onnx,
    load=load_openvino,
)
