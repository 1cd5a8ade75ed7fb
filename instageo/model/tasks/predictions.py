"""What a model says of one image. Of a chip as a whole it says it in maps of one pixel."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instageo.raster.grid import Grid


@dataclass(frozen=True)
class ClassPrediction:
    """The class of each pixel.

    Attributes:
        classes: Shape (H, W), uint8 (uint16 above 254 classes); `no_data_value` where nothing was observed.
        probabilities: Shape (K, H, W), float32, summing to 1 over K; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        no_data_value: 255, or 65535.
        grid: Grid of the input; None for arrays.
    """

    classes: NDArray[np.unsignedinteger]
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]
    no_data_value: int
    grid: Grid | None = None


@dataclass(frozen=True)
class MultiLabelPrediction:
    """Which of several labels apply.

    Attributes:
        applies: Shape (K, H, W), uint8: 1 where a label applies, 0 where not, 255 where nothing was observed.
        probabilities: Shape (K, H, W), float32, each in 0..1; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        no_data_value: 255.
        grid: Grid of the input; None for arrays.
    """

    applies: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]
    no_data_value: int = 255
    grid: Grid | None = None


@dataclass(frozen=True)
class RegressionPrediction:
    """The value of each pixel, in the unit of the labels.

    Attributes:
        values: Shape (H, W), float32; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        quantiles: By level in 0..1, values below which that share of outcomes is expected, shape (H, W) each; of
            networks that were trained to tell them.
        no_data_value: NaN.
        grid: Grid of the input; None for arrays.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    quantiles: Mapping[float, NDArray[np.float32]] = field(default_factory=dict)
    no_data_value: float = np.nan
    grid: Grid | None = None


Prediction = ClassPrediction | MultiLabelPrediction | RegressionPrediction
