"""Trace a network into a graph of fixed dates, height and width, for batches of any size."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

INPUT_NAMES = ("image", "time", "location")
"""Names of a graph's inputs, in the order of the network's arguments."""

EXAMPLE_BATCH = 2
"""Samples in the traced batch: torch.export takes a dimension of 1 for a constant."""

LARGEST_BATCH = 1024
"""Upper bound of the batch that the graph states."""


@dataclass(frozen=True)
class InputShape:
    """Shape of one chip of a network's input.

    Attributes:
        bands: C.
        dates: T.
        height: Pixels.
        width: Pixels.
    """

    bands: int
    dates: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def example(self, batch: int = EXAMPLE_BATCH) -> tuple[Tensor, Tensor, Tensor]:
        """Return an image (B, C, T, H, W), times (B, T, 2) and locations (B, 2), the last sample without either."""
        image = torch.zeros(batch, self.bands, self.dates, self.height, self.width)
        time = torch.tensor([2024.0, 100.0]).repeat(batch, self.dates, 1)
        location = torch.tensor([10.0, 20.0]).repeat(batch, 1)
        time[-1], location[-1] = torch.nan, torch.nan
        return image, time, location


def trace_network(net: nn.Module, shape: InputShape) -> torch.export.ExportedProgram:
    """Return the graph of a network in evaluation mode, float32, on the CPU; the network itself is not changed.

    Args:
        net: From an image (B, C, T, H, W), times (B, T, 2) and locations (B, 2) to one tensor (B, ...).
        shape: Of its image; the batch is symbolic.
    """
    return trace(copy.deepcopy(net).cpu().float(), shape.example())


def trace(net: nn.Module, inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    """Return the graph of any module in evaluation mode whose inputs share their first dimension, the batch.

    Args:
        net: From these inputs to one tensor (B, ...); it is set to evaluation mode.
        inputs: An example of each, with `EXAMPLE_BATCH` samples.
    """
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with torch.no_grad(), without_stack_traces(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net.eval(), tuple(inputs), dynamic_shapes=tuple({0: batch} for _ in inputs))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # which names folders of this machine in exported files
    return program


@contextmanager
def without_stack_traces() -> Iterator[None]:
    """Trace and convert graphs in this block without the source lines of each node, if this PyTorch can leave them out.

    Nothing reads them, and they name folders of this machine.
    """
    config = torch.fx.config
    before = getattr(config, "do_not_emit_stack_traces", None)  # absent from earlier versions
    if before is None:
        yield
        return
    config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        config.do_not_emit_stack_traces = before
