"""Sums over pairs of truth and prediction that lose no digits and can be merged, in float64."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from instageo.model.metrics.distributed import positive


@dataclass(frozen=True)
class ValuePairs:
    """Pairs of truth and prediction, float64, on one device.

    Attributes:
        values: Shape (2, N), truth and prediction; 0 where a pair does not count.
        counted: Shape (N,), 1 for a pair that counts, else 0.
        broken: Scalar, pairs with a truth of which truth or prediction is no finite number; they do not count.
    """

    values: Tensor
    counted: Tensor
    broken: Tensor

    @classmethod
    def of(cls, prediction: Tensor, truth: Tensor) -> "ValuePairs":
        """Pairs of numbers of equal shape; one whose truth is NaN does not count."""
        kind = torch.promote_types(torch.promote_types(prediction.dtype, truth.dtype), torch.float32)
        raw = torch.stack([truth.flatten().to(kind), prediction.flatten().to(kind)])
        error = raw[1] - raw[0]
        counted = error.sub_(error).add_(1).nan_to_num_(0)  # what is not finite less itself is NaN
        broken = counted.numel() - raw[0].isnan().sum() - counted.sum(dtype=torch.float64)
        return cls(raw.mul_(counted).nan_to_num_(0).double(), counted.double(), broken)


@dataclass(frozen=True)
class ErrorSums:
    """What the scores of a regression follow from, float64; values are taken relative to one that occurs.

    So a large offset costs no digits, and what does not vary has squared deviations of exactly 0.

    Attributes:
        count: Scalar, pairs.
        broken: Scalar, pairs left out since truth or prediction is no finite number.
        within: Scalar, pairs within the expected error.
        errors: Shape (3,), sums of prediction - truth, of its absolute and of its square.
        origin: Shape (2,), a truth and a prediction that occur; 0 without pairs.
        mean: Shape (2,), of truth and prediction, less the origin.
        products: Shape (2, 2), sums of products of the deviations of truth and prediction from their means.
    """

    count: Tensor
    broken: Tensor
    within: Tensor
    errors: Tensor
    origin: Tensor
    mean: Tensor
    products: Tensor

    @classmethod
    def none(cls, device: torch.device | str = "cpu") -> "ErrorSums":
        """Sums of no pairs."""
        return cls.unpacked(torch.zeros(14, dtype=torch.float64, device=device))

    @classmethod
    def of(cls, pairs: ValuePairs, expected_error: tuple[float, float]) -> "ErrorSums":
        """Sums of some pairs, in one pass: from a value that occurs, deviations lose at most log2(N) bits.

        Args:
            pairs: At least one, counted or not.
            expected_error: (a, b), not negative: within are pairs with |prediction - truth| <= a + b |truth|.
        """
        values, count = pairs.values, pairs.counted.sum()
        low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
        origin = torch.where(low.abs() > high.abs(), low, high)  # of those that count, the 0 of others is no larger
        apart = (values - origin).mul_(pairs.counted)
        mean = apart.sum(1) / count.clamp(min=1)
        error = values[1] - values[0]
        size = error.abs()
        allowed = values[0].abs().mul_(expected_error[1]).add_(expected_error[0])
        beyond = positive(size - allowed).sum()  # none of those that do not count
        errors = torch.stack([error.sum(), size.sum(), error @ error])
        products = apart @ apart.T - mean.outer(mean) * count
        return cls(count, pairs.broken, count - beyond, errors, origin[:, 0], mean, products)

    def merged(self, other: "ErrorSums") -> "ErrorSums":
        """Sums of both (Chan, Golub and LeVeque 1979); never waits for a GPU."""
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        apart = (other.origin - self.origin) + (other.mean - self.mean)
        return ErrorSums(
            count,
            self.broken + other.broken,
            self.within + other.within,
            self.errors + other.errors,
            torch.where(self.count > 0, self.origin, other.origin),
            torch.where(self.count > 0, self.mean + apart * share, other.mean),
            self.products + other.products + apart.outer(apart) * (self.count * share),
        )

    def packed(self) -> Tensor:
        """All numbers in one tensor, shape (14,)."""
        return torch.cat([getattr(self, field.name).flatten() for field in fields(self)])

    @classmethod
    def unpacked(cls, numbers: Tensor) -> "ErrorSums":
        """From what `packed` gave."""
        count, broken, within, errors, origin, mean, products = torch.split(numbers, [1, 1, 1, 3, 2, 2, 4])
        return cls(count[0], broken[0], within[0], errors, origin, mean, products.view(2, 2))
