"""The scale in which a network gives values, and the way back to their natural unit."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TargetScale:
    """A network's value is (f(v) - mean) / std of the natural value v; f is log(1 + v), or nothing.

    Attributes:
        mean: Of the labels, after the logarithm.
        std: Likewise.
        log: Whether the logarithm is taken.
    """

    mean: float = 0.0
    std: float = 1.0
    log: bool = False

    def from_natural(self, values: Tensor) -> Tensor:
        """Natural values in the network's scale; NaN stays NaN."""
        return ((values.log1p() if self.log else values) - self.mean) / self.std

    def to_natural(self, raw: Tensor) -> Tensor:
        """The network's values in their natural unit; rising, so that quantiles stay quantiles."""
        values = raw * self.std + self.mean
        return values.expm1() if self.log else values
