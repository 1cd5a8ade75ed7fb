"""Conversion between the natural unit of labels and the scale in which a network predicts them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TargetScale:
    """The network predicts (f(v) - mean) / std for the natural value v, where f is log(1 + v) or the identity.

    Attributes:
        mean: Mean of the labels, after the logarithm.
        std: Standard deviation of the labels, after the logarithm.
        log: Whether the logarithm is taken.
    """

    mean: float = 0.0
    std: float = 1.0
    log: bool = False

    def from_natural(self, values: Tensor) -> Tensor:
        """Convert natural values to the network's scale; NaN stays NaN."""
        return ((values.log1p() if self.log else values) - self.mean) / self.std

    def to_natural(self, raw: Tensor) -> Tensor:
        """Convert values in the network's scale to natural ones; the function rises, so quantiles stay quantiles."""
        values = raw * self.std + self.mean
        return values.expm1() if self.log else values
