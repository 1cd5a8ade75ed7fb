"""PyTorch's own archives of graphs, which `torch.export.load` reads without this program."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.model.exports.export_format import ExportFormat, ExportOptions
from instageo.model.exports.gate import Runner
from instageo.model.exports.graph import ExportGraph, Feed

METADATA = "instageo.json"
"""Extra file of the archive with what `export.json` says of the graph."""


def write_pt2(graph: ExportGraph, path: Path, options: ExportOptions) -> None:
    """Write a graph as an archive, with its description as an extra file."""
    archive = io.BytesIO()  # PyTorch's writer of files ends the process where a disk is full
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(graph.trace(), archive, extra_files={METADATA: options.metadata["description"]})
    path.write_bytes(archive.getbuffer())


def load_pt2(path: Path) -> Runner:
    """Load an archive that this process wrote; archives of others may hold code, see docs/security.md."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()

    def run(feed: Feed) -> NDArray[np.float32]:
        with torch.inference_mode():
            output: NDArray[np.float32] = module(*map(torch.from_numpy, feed.values())).numpy()
        return output

    return run


FORMAT = ExportFormat(
    suffix=".pt2",
    artifact_type="torch.export.save",
    packages=("torch",),
    write=write_pt2,
    load=load_pt2,
)
