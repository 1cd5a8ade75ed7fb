"""Decide which stored values are observations: not no-data, not NaN."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.raster.writing import is_representable


def validity_mask(
    values: NDArray[np.generic], tags: Sequence[float | None], no_data_value: float | None
) -> NDArray[np.bool_]:
    """Return where values (L, H, W) are observations.

    Args:
        values: Layers as stored.
        tags: No-data tag of each layer, or None.
        no_data_value: Further value that means "no observation" in all layers.
    """
    valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
    tags = [None if tag is None or math.isnan(tag) else tag for tag in tags]  # NaN is invalid anyway; NaN tags differ
    for tag in set(tags):
        layers: slice | list[int] = slice(None)
        if len(set(tags)) > 1:
            layers = [layer for layer, own_tag in enumerate(tags) if own_tag == tag]
        for no_data in {tag, no_data_value}:
            if no_data is not None and math.isfinite(no_data) and is_representable(no_data, values.dtype):
                valid[layers] &= values[layers] != values.dtype.type(no_data)
    return valid
