"""Sums over pairs of truth and prediction, in float64, that lose no digits and can be merged."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from instageo.model.metrics.distributed import is_positive


@dataclass(frozen=True)
class ValuePairs:
    """Pairs of truth and prediction, float64, on one device.

    Attributes:
        values: Shape (2, N), truth and prediction; 0 where a pair does not count.
        counted: Shape (N,), 1 for a pair that counts, else 0.
        num_nonfinite: Scalar, number of pairs whose truth is infinite, or whose prediction is not finite although
            there is a truth; they do not count.
    """

    values: Tensor
    counted: Tensor
    num_nonfinite: Tensor

    @classmethod
    def from_tensors(cls, prediction: Tensor, truth: Tensor) -> "ValuePairs":
        """Pair up tensors of equal shape; a pair whose truth is NaN does not count."""
        dtype = torch.promote_types(torch.promote_types(prediction.dtype, truth.dtype), torch.float32)
        raw = torch.stack([truth.flatten().to(dtype), prediction.flatten().to(dtype)])
        error = raw[1] - raw[0]
        counted = error.sub_(error).add_(1).nan_to_num_(0)  # inf - inf and NaN - NaN are NaN
        num_nonfinite = counted.numel() - raw[0].isnan().sum() - counted.sum(dtype=torch.float64)
        return cls(raw.mul_(counted).nan_to_num_(0).double(), counted.double(), num_nonfinite)


@dataclass(frozen=True)
class ErrorSums:
    """Sums from which the scores of a regression follow, float64, relative to a value that occurs.

    So a large offset costs no digits, and constant values have squared deviations of exactly 0.

    Attributes:
        count: Scalar, number of pairs.
        num_nonfinite: Scalar, number of pairs left out because truth or prediction is not finite.
        num_within: Scalar, number of pairs within the expected error.
        errors: Shape (3,), sums of prediction - truth, of its absolute value and of its square.
        origin: Shape (2,), a truth and a prediction that occur; 0 without pairs.
        mean: Shape (2,), means of truth and prediction, minus the origin.
        products: Shape (2, 2), sums of products of the deviations of truth and prediction from their means.
    """

    count: Tensor
    num_nonfinite: Tensor
    num_within: Tensor
    errors: Tensor
    origin: Tensor
    mean: Tensor
    products: Tensor

    @classmethod
    def zeros(cls, device: torch.device | str = "cpu") -> "ErrorSums":
        """Return the sums of no pairs."""
        return cls.from_tensor(torch.zeros(14, dtype=torch.float64, device=device))

    @classmethod
    def from_pairs(cls, pairs: ValuePairs, expected_error: tuple[float, float]) -> "ErrorSums":
        """Sum pairs in one pass: deviations from a value that occurs lose at most log2(N) bits.

        Args:
            pairs: At least one, counted or not.
            expected_error: (a, b), not negative: pairs with |prediction - truth| <= a + b |truth| are within it.
        """
        values, count = pairs.values, pairs.counted.sum()
        low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
        origin = torch.where(
            low.abs() > high.abs(), low, high
        )  # of pairs that count, since the 0 of others is never larger
        deviation = (values - origin).mul_(pairs.counted)
        mean = deviation.sum(1) / count.clamp(min=1)
        error = values[1] - values[0]
        absolute = error.abs()
        allowed = values[0].abs().mul_(expected_error[1]).add_(expected_error[0])
        num_beyond = is_positive(absolute - allowed).sum()  # pairs that do not count have an error of 0
        errors = torch.stack([error.sum(), absolute.sum(), error @ error])
        products = deviation @ deviation.T - mean.outer(mean) * count
        return cls(count, pairs.num_nonfinite, count - num_beyond, errors, origin[:, 0], mean, products)

    def merge(self, other: "ErrorSums") -> "ErrorSums":
        """Return the sums of both (Chan, Golub and LeVeque 1979), without waiting for a GPU."""
        count = self.count + other.count
        fraction = other.count / count.clamp(min=1)
        delta = (other.origin - self.origin) + (other.mean - self.mean)
        return ErrorSums(
            count,
            self.num_nonfinite + other.num_nonfinite,
            self.num_within + other.num_within,
            self.errors + other.errors,
            torch.where(self.count > 0, self.origin, other.origin),
            torch.where(self.count > 0, self.mean + delta * fraction, other.mean),
            self.products + other.products + delta.outer(delta) * (self.count * fraction),
        )

    def to_tensor(self) -> Tensor:
        """Concatenate all numbers to one tensor, shape (14,)."""
        return torch.cat([getattr(self, field.name).flatten() for field in fields(self)])

    @classmethod
    def from_tensor(cls, numbers: Tensor) -> "ErrorSums":
        """Restore the sums from the tensor of `to_tensor`."""
        count, num_nonfinite, num_within, errors, origin, mean, products = torch.split(numbers, [1, 1, 1, 3, 2, 2, 4])
        return cls(count[0], num_nonfinite[0], num_within[0], errors, origin, mean, products.view(2, 2))

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers by name, as JSON can hold them."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ErrorSums":
        """Restore the sums from the mapping of `to_dict`."""
        return cls(**{field.name: torch.tensor(content[field.name], dtype=torch.float64) for field in fields(cls)})
