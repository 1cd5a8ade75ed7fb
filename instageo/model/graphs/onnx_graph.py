"""Write a traced network as ONNX, for the operator set and the format version that a reader needs."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch

from instageo.errors import ConfigError
from instageo.extras import required_by
from instageo.model.graphs.opsets import TRACED_OPSET
from instageo.model.graphs.program import without_stack_traces

OUTPUT = "output"
"""Name of the graph's output."""

OLD_IR = 8
"""Version of the file format of readers of opset 17, such as ONNX Runtime 1.17."""

MAX_BYTES = 2**31 - 2**20
"""Most bytes of weights in one file, whose format counts up to 2 GB."""

NOISY = ("torch.onnx", "onnxscript", "onnx_ir")
"""Loggers that report packages which these networks do not need."""


def to_onnx(program: torch.export.ExportedProgram, inputs: Sequence[str], opset: int = TRACED_OPSET) -> Any:
    """Return the `onnx.ModelProto` of a traced module, checked; its output is called `OUTPUT`.

    Args:
        program: The module; its inputs share a symbolic first dimension.
        inputs: Name of each input, in the order of its arguments.
        opset: Operator set, one of `OPSETS`.

    Raises:
        ConfigError: An operator of the network does not exist in that operator set, or it has more than 2 GB.
        MissingExtraError: A package is not installed.
    """
    with required_by("ONNX", "export"):
        import onnx
        import onnxscript  # noqa: F401  # which PyTorch's exporter needs
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size >= MAX_BYTES:
        raise ConfigError(
            f"the network has {size / 1e9:.1f} GB, and one file of ONNX holds 2 GB; use format=openvino or pt2"
        )
    with _quietly(), without_stack_traces():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=max(opset, TRACED_OPSET),
            input_names=list(inputs),
            output_names=[OUTPUT],
        )
    if exported is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = exported.model_proto
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        del part.metadata_props[:]  # names of PyTorch's modules and functions
    if opset < TRACED_OPSET:
        _lower_opset(model)
    onnx.checker.check_model(model)
    return model


def add_metadata(model: Any, entries: Mapping[str, str]) -> None:
    """Add texts to the metadata of an `onnx.ModelProto`."""
    for key, text in entries.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text


def _lower_opset(model: Any) -> None:
    """Rewrite operators of opset 18 as those of opset 17, in place.

    Opset 18 turned the axes of reductions into an input, and gave Split, Pad and Resize options that have a default.

    Raises:
        ConfigError: An operator has no equivalent.
    """
    import onnx

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute
    }
    for node in model.graph.node:
        if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and len(node.input) > 1:
            axes = onnx.numpy_helper.to_array(constants[node.input[1]]).tolist()
            del node.input[1:]
            _drop_attributes(node, "noop_with_empty_axes")
            node.attribute.append(onnx.helper.make_attribute("axes", axes))
        elif node.op_type == "Split":
            _drop_attributes(node, "num_outputs")
        elif (node.op_type == "Pad" and len(node.input) > 3 and node.input[3]) or node.op_type in NEW_IN_18:
            raise ConfigError(
                f"opset=17 does not work: the network uses {node.op_type} as opset 18 defines it; use opset=18 or more"
            )
        elif node.op_type == "Resize":
            _drop_attributes(node, "antialias", "axes", "keep_aspect_ratio_policy")
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = 17
    model.ir_version = OLD_IR


NEW_IN_18 = (
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "BitwiseNot",
    "CenterCropPad",
    "Col2Im",
    "GroupNormalization",
    "Mish",
)
"""Operators that opset 17 does not have."""


def _drop_attributes(node: Any, *names: str) -> None:
    remaining = [attribute for attribute in node.attribute if attribute.name not in names]
    del node.attribute[:]
    node.attribute.extend(remaining)


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out the exporter's progress and its notes on packages that are not needed."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
