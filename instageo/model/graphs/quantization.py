"""Quantise a network's graph to int8 after training, from the values that real chips give."""

import gc
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.errors import InstaGeoError
from instageo.model.graphs.openvino_package import import_nncf
from instageo.wording import first_line

WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
"""Operators of OpenVINO that int8 makes faster."""


ATTENTION = ("ScaledDotProductAttention", "Softmax", "SoftMax")
"""Operators between the weights of attention blocks."""


class QuantizationError(InstaGeoError):
    """A network cannot be quantised; the text says why."""


def quantize_openvino(model: Any, feeds: Sequence[Mapping[str, NDArray[np.float32]]]) -> Any:
    """Return an `openvino.Model` with weights and activations in int8 (NNCF's post-training quantisation).

    What stands before the first convolution, and behind the last one, stays in float32: pixels as stored have values,
    such as those for no-data, that would widen the range of int8. NNCF treats the matrix products of attention
    differently.

    Args:
        model: In float32.
        feeds: Inputs of real chips by name.

    Raises:
        QuantizationError: NNCF cannot quantise this network.
        MissingExtraError: NNCF is not installed.
    """
    nncf = import_nncf()
    logging.getLogger("nncf").setLevel(logging.ERROR)
    names = outside_of_weights(model)
    inner = {node.get_type_name() for node in model.get_ops() if node.get_friendly_name() not in names}
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # which gets the progress
        warnings.simplefilter("ignore")
        try:
            return nncf.quantize(
                model,
                nncf.Dataset([dict(feed) for feed in feeds]),
                subset_size=len(feeds),
                model_type=nncf.ModelType.TRANSFORMER if inner & set(ATTENTION) else None,
                ignored_scope=nncf.IgnoredScope(names=names, validate=False),
            )
        except _errors_of(nncf) as error:
            reason = first_line(error)
        finally:
            gc.collect()  # NNCF's own plugins are unloaded by the thread that loaded them; see `openvino_core`
    # Not within the handler: the error's frames hold a plugin, and who gets this one may drop it in another thread.
    raise QuantizationError(f"the network cannot be quantised to int8 ({reason}); use precision f32")


def _errors_of(nncf: Any) -> tuple[type[Exception], ...]:
    """Return the kinds of errors that NNCF raises; its own have no common base."""
    own = [kind for kind in vars(nncf.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return RuntimeError, ValueError, TypeError, *own


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
