"""Compare what two programs make of the same network: which predictions are the same."""

from typing import Any

from torch import Tensor

from instageo.model.metrics.segmentation import highest_class
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression


def same_predictions(task: Any, expected: Tensor, actual: Tensor, tolerance: float) -> Tensor:
    """Return a mask of the predictions that are the same.

    Args:
        task: The task, which says what they are.
        expected: Probabilities or values (K, ...).
        actual: The same by the other program.
        tolerance: Largest difference for regression; without effect on classes.

    Returns:
        Shape (K, ...) for values and for classes of which several may apply, (1, ...) for one class per pixel.
    """
    if isinstance(task, Regression):
        return (expected - actual).abs() <= tolerance
    if isinstance(task, MultiLabel):
        return (expected > 0.5) == (actual > 0.5)
    return (highest_class(expected) == highest_class(actual))[None]
