"""Probabilities as whole numbers of one byte."""

import numpy as np
from numpy.typing import NDArray

PROBABILITY_STEPS = 254
"""Stored value of the probability 1; that of 0 is 0."""

NO_PROBABILITY = 255
"""Stored value of pixels without a probability."""

PROBABILITY_SCALE = 1 / PROBABILITY_STEPS
"""Scale tag of the layers: a stored value times it is the probability."""


def encode_probabilities(probabilities: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return probabilities as the nearest multiples of 1 / 254, that is with errors of at most 1 / 508.

    Classes must be chosen from the probabilities themselves: those of a pixel may be equal after rounding, and need not
    add up to 1.

    Args:
        probabilities: Shape (L, H, W), in [0, 1] where `valid`.
        valid: Shape (H, W).

    Returns:
        Shape (L, H, W); 255 where not `valid`.
    """
    encoded = np.empty(probabilities.shape, np.uint8)
    for plane, target in zip(probabilities, encoded, strict=True):
        scaled = np.rint(plane * np.float32(PROBABILITY_STEPS))
        scaled[~valid] = NO_PROBABILITY
        target[...] = scaled
    return encoded
