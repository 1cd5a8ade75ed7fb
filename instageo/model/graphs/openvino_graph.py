"""Convert a traced network to an OpenVINO model."""

import warnings
from typing import Any

import torch

from instageo.model.graphs.openvino_package import import_openvino
from instageo.model.graphs.program import InputShape

INPUT_NAMES = ("image", "time", "location")
"""Names of a graph's inputs, in the order of the network's arguments."""


def to_openvino(program: torch.export.ExportedProgram, shape: InputShape) -> Any:
    """Return the `openvino.Model` of a traced network, with all inputs of `INPUT_NAMES` and one output, `output`.

    Args:
        program: As `trace_network` returned it.
        shape: For which it was traced; the batch stays open.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    openvino = import_openvino()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(program)
    for port, name in zip(model.inputs, INPUT_NAMES, strict=False):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"output"})
    bands, dates, height, width = shape.bands, shape.dates, shape.height, shape.width
    model.reshape({"image": [-1, bands, dates, height, width], "time": [-1, dates, 2], "location": [-1, 2]})
    return model
