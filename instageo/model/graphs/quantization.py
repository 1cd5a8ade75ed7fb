"""Quantise a network's graph to int8 after training, from the values that real chips give."""

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.graphs.openvino_package import import_nncf

WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
"""Operators of OpenVINO that int8 makes faster."""


def quantize_openvino(model: Any, feeds: Sequence[Mapping[str, NDArray[np.float32]]], *, transformer: bool) -> Any:
    """Return an `openvino.Model` with weights and activations in int8 (NNCF's post-training quantisation).

    What stands before the first convolution, and behind the last one, stays in float32: pixels as stored have values,
    such as those for no-data, that would widen the range of int8.

    Args:
        model: In float32.
        feeds: Inputs of real chips by name.
        transformer: Whether most of the network is attention, whose matrix products NNCF treats in its own way.

    Raises:
        MissingExtraError: NNCF is not installed.
    """
    nncf = import_nncf()
    logging.getLogger("nncf").setLevel(logging.ERROR)
    names = outside_of_weights(model)
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # which gets the progress
        warnings.simplefilter("ignore")
        return nncf.quantize(
            model,
            nncf.Dataset([dict(feed) for feed in feeds]),
            subset_size=len(feeds),
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            ignored_scope=nncf.IgnoredScope(names=names, validate=False),
        )


def outside_of_weights(model: Any) -> list[str]:
    """Return the names of the operators before the first convolution, and of those behind the last weighted one."""
    order = model.get_ordered_ops()
    weighted = [node for node in order if node.get_type_name() in WEIGHTED]
    if not weighted:
        return []
    first = next((node for node in weighted if node.get_type_name() != "MatMul"), weighted[0])
    before = _ancestors([first])
    leads_to_weights = _ancestors(weighted) | {node.get_friendly_name() for node in weighted}
    kinds = ("Constant", "Parameter", "Result")
    names = {node.get_friendly_name() for node in order if node.get_type_name() not in kinds}
    return sorted(names & (before | (names - leads_to_weights)))


def _ancestors(nodes: Sequence[Any]) -> set[str]:
    """Return the names of all operators that these depend on."""
    names: set[str] = set()
    pending = list(nodes)
    while pending:
        for source in pending.pop().input_values():
            node = source.get_node()
            if node.get_friendly_name() not in names:
                names.add(node.get_friendly_name())
                pending.append(node)
    return names
