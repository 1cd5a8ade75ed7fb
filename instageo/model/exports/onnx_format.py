"""ONNX files, which ONNX Runtime, OpenVINO, TensorRT and others read."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.extras import required_by
from instageo.model.exports.export_format import ExportFormat, ExportOptions
from instageo.model.exports.gate import Runner
from instageo.model.exports.graph import ExportGraph, Feed
from instageo.model.graphs.onnx_graph import add_metadata, to_onnx
from instageo.model.graphs.opsets import TRACED_OPSET


def write_onnx(graph: ExportGraph, path: Path, options: ExportOptions) -> None:
    """Write a graph as one file.

    Raises:
        ConfigError: The operator set lacks an operator, or the network has more than 2 GB.
    """
    model = to_onnx(graph.trace(), list(graph.inputs), options.opset or TRACED_OPSET)
    add_metadata(model, options.metadata)
    path.write_bytes(model.SerializeToString())


def load_onnx(path: Path) -> Runner:
    """Load a file in ONNX Runtime."""
    with required_by("ONNX", "export"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(feed: Feed) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, dict(feed))[0]
        return output

    return run


FORMAT = ExportFormat(
    suffix=".onnx",
    artifact_type="torch.onnx.export",
    packages=("torch", "onnx", "onnxscript", "onnxruntime"),
    write=write_onnx,
    load=load_onnx,
)
