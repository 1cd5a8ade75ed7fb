"""Quantise a converted model to int8 with chips at hand."""

import logging
import sys
from contextlib import redirect_stdout
from typing import Any

from instageo.model.backends.backend import ChipBatch
from instageo.model.graphs.openvino_package import import_nncf

MIN_CALIBRATION_CHIPS = 8
"""Fewest chips from which the ranges of activations are estimated."""

MAX_CALIBRATION_CHIPS = 64
"""Most chips that are used."""


def quantize(model: Any, chips: ChipBatch) -> Any:
    """Return an OpenVINO model with int8 weights and activations; softmax, normalisation and outputs stay in float32.

    Args:
        model: An `openvino.Model` with the inputs of `INPUT_NAMES`.
        chips: Normalised chips from which the ranges of activations are estimated.

    Raises:
        MissingExtraError: NNCF is not installed.
    """
    nncf = import_nncf()
    logging.getLogger("nncf").setLevel(logging.ERROR)
    count = min(len(chips.image), MAX_CALIBRATION_CHIPS)
    batches = [
        {name: part[index : index + 1].numpy() for name, part in chips._asdict().items()} for index in range(count)
    ]
    has_attention = any(
        each.get_type_name() in ("ScaledDotProductAttention", "Softmax", "SoftMax") for each in model.get_ops()
    )
    kind = nncf.ModelType.TRANSFORMER if has_attention else None
    with redirect_stdout(sys.stderr):  # its progress
        return nncf.quantize(model, nncf.Dataset(batches), subset_size=count, model_type=kind)
