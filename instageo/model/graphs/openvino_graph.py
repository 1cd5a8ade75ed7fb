"""Convert a traced network to an OpenVINO model."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from instageo.model.graphs.openvino_package import import_openvino
from instageo.model.graphs.program import INPUT_NAMES, InputShape, without_stack_traces


def to_openvino(program: torch.export.ExportedProgram, shape: InputShape) -> Any:
    """Return the `openvino.Model` of a traced network, with all inputs of `INPUT_NAMES` and one output, `output`.

    Args:
        program: As `trace_network` returned it.
        shape: For which it was traced; the batch stays open.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    bands, dates, height, width = shape.bands, shape.dates, shape.height, shape.width
    sizes = (bands, dates, height, width), (dates, 2), (2,)
    return convert_program(program, dict(zip(INPUT_NAMES, sizes, strict=True)))


def convert_program(program: torch.export.ExportedProgram, inputs: Mapping[str, Sequence[int]]) -> Any:
    """Return the `openvino.Model` of a traced module with one output, which is called `output`.

    Args:
        program: The module.
        inputs: Name and shape of each input, in the order of its arguments, without the batch, which stays open.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    openvino = import_openvino()
    with without_stack_traces(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(program)
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"output"})
    model.reshape({name: [-1, *sizes] for name, sizes in inputs.items()})
    return model
