"""Losses of continuous values, over the pixels whose label is a number."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.losses.reduction import weighted_mean
from instageo.model.settings.checks import are_numbers, check

QUANTILES = (0.05, 0.5, 0.95)
"""What a quantile loss predicts unless told otherwise: the median, and where nine values of ten lie."""


class MaskedRegressionLoss(nn.Module):
    """Mean over the pixels with a value, and over channels, of a function of outputs and values.

    Args:
        each: From outputs (B, C, H, W) and values (B, 1, H, W) to losses (B, C or 1, H, W).
        channels: C, what the network has to put out.
    """

    def __init__(self, each: Callable[[Tensor, Tensor], Tensor], channels: int = 1) -> None:
        super().__init__()
        self.each, self.channels = each, channels

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar, of outputs (B, C, H, W) against values (B, H, W), NaN where there is none."""
        absent = label.isnan()[:, None]
        values = label[:, None].float().masked_fill(absent, 0)
        losses = self.each(outputs.float(), values).mean(1, keepdim=True).masked_fill(absent, 0)
        return weighted_mean(losses.sum(), (~absent).sum().float())


class PinballLoss(nn.Module):
    """max(q * e, (q - 1) * e) of e = value - output, for each quantile q (Koenker and Bassett 1978).

    Args:
        quantiles: One per channel.
    """

    shares: Tensor

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("shares", torch.tensor(quantiles).view(-1, 1, 1), persistent=False)

    def forward(self, outputs: Tensor, values: Tensor) -> Tensor:
        """Losses (B, Q, H, W) of outputs (B, Q, H, W) against values (B, 1, H, W)."""
        error = values - outputs
        return torch.maximum(self.shares * error, (self.shares - 1) * error)


def mse() -> MaskedRegressionLoss:
    """Squared error."""
    return MaskedRegressionLoss(lambda outputs, values: (outputs - values).square())


def mae() -> MaskedRegressionLoss:
    """Absolute error."""
    return MaskedRegressionLoss(lambda outputs, values: (outputs - values).abs())


def huber(delta: float = 1.0) -> MaskedRegressionLoss:
    """Half the squared error up to `delta`, then straight on: delta * (error - delta / 2).

    Args:
        delta: Above 0, in the unit of the outputs.

    Raises:
        ConfigError: `delta` is no such number.
    """
    sane = are_numbers([delta]) and 0 < delta < math.inf
    check(sane, "train.loss.huber.delta", delta, "a number above 0")
    return MaskedRegressionLoss(lambda outputs, values: F.huber_loss(outputs, values, reduction="none", delta=delta))


def quantile(quantiles: Sequence[float] = QUANTILES) -> MaskedRegressionLoss:
    """Pinball loss, a mean over quantiles: outputs become the values that these shares of the truth lie below.

    Args:
        quantiles: Above 0, below 1, rising; the median, 0.5, is among them. One channel each.

    Raises:
        ConfigError: They are not.
    """
    listed = list(quantiles) if isinstance(quantiles, (list, tuple)) else []
    sane = are_numbers(listed) and 0.5 in listed and sorted(set(listed)) == listed and listed[0] > 0 and listed[-1] < 1
    check(sane, "train.loss.quantile.quantiles", quantiles, "rising numbers between 0 and 1, 0.5 among them")
    return MaskedRegressionLoss(PinballLoss(listed), len(listed))


def gaussian_nll(smallest_variance: float = 1e-6) -> MaskedRegressionLoss:
    """Negative log-likelihood of a normal distribution (Nix and Weigend 1994): mean and log of variance are put out.

    Args:
        smallest_variance: Above 0; smaller ones count as this, but still have a gradient, as in PyTorch.

    Raises:
        ConfigError: `smallest_variance` is no such number.
    """
    sane = are_numbers([smallest_variance]) and 0 < smallest_variance < math.inf
    check(sane, "train.loss.gaussian_nll.smallest_variance", smallest_variance, "a number above 0")
    least = math.log(smallest_variance)

    def surprise(outputs: Tensor, values: Tensor) -> Tensor:
        mean, spread = outputs[:, :1], outputs[:, 1:]
        spread = spread.detach().clamp_min(least) + (spread - spread.detach())  # the gradient passes the limit
        return (spread + (values - mean).square() * (-spread).exp() + math.log(2 * math.pi)) / 2

    return MaskedRegressionLoss(surprise, 2)
