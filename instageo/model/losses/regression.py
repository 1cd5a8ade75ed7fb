"""Losses for regression, over the pixels whose label is a number."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.losses.parameter_checks import check_number, is_number
from instageo.model.losses.reduction import weighted_mean

QUANTILES = (0.05, 0.5, 0.95)
"""Default of the quantile loss: the median and a 90 % interval."""


class MaskedRegressionLoss(nn.Module):
    """Mean over the labelled pixels, and over channels, of a function of outputs and labels.

    Args:
        pixel_loss: Function of outputs (B, C, H, W) and labels (B, 1, H, W) that returns losses (B, C or 1, H, W).
        channels: C, the number of output channels that the network needs.
    """

    def __init__(self, pixel_loss: Callable[[Tensor, Tensor], Tensor], channels: int = 1) -> None:
        super().__init__()
        self.pixel_loss, self.channels = pixel_loss, channels

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar, of outputs (B, C, H, W) and labels (B, H, W), NaN where a pixel has none."""
        unlabeled = label.isnan()[:, None]
        values = label[:, None].float().masked_fill(unlabeled, 0)
        losses = self.pixel_loss(outputs.float(), values).mean(1, keepdim=True).masked_fill(unlabeled, 0)
        return weighted_mean(losses.sum(), (~unlabeled).sum().float())


class PinballLoss(nn.Module):
    """Pinball loss max(q * e, (q - 1) * e) of e = value - output, for each quantile q (Koenker and Bassett 1978).

    Args:
        quantiles: One per channel.
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(quantiles).view(-1, 1, 1), persistent=False)

    def forward(self, outputs: Tensor, values: Tensor) -> Tensor:
        """Return losses (B, Q, H, W) of outputs (B, Q, H, W) and values (B, 1, H, W)."""
        error = values - outputs
        return torch.maximum(self.quantiles * error, (self.quantiles - 1) * error)


def mse() -> MaskedRegressionLoss:
    """Build the mean squared error."""
    return MaskedRegressionLoss(lambda outputs, values: (outputs - values).square())


def mae() -> MaskedRegressionLoss:
    """Build the mean absolute error."""
    return MaskedRegressionLoss(lambda outputs, values: (outputs - values).abs())


def huber(delta: float = 1.0) -> MaskedRegressionLoss:
    """Build the Huber loss: half the squared error up to `delta`, then linear, delta * (error - delta / 2).

    Args:
        delta: Above 0, in the unit of the outputs.

    Raises:
        ConfigError: `delta` is not such a number.
    """
    check_number("train.loss.huber.delta", delta)
    return MaskedRegressionLoss(lambda outputs, values: F.huber_loss(outputs, values, reduction="none", delta=delta))


def quantile(quantiles: Sequence[float] = QUANTILES) -> MaskedRegressionLoss:
    """Build the pinball loss, a mean over quantiles, whose outputs are the quantiles of the values.

    Args:
        quantiles: Rising numbers between 0 and 1, among them the median, 0.5; the network has one channel for each.

    Raises:
        ConfigError: They are not such numbers.
    """
    listed = list(quantiles) if isinstance(quantiles, (list, tuple)) else []
    valid = all(is_number(value) and value < 1 for value in listed) and 0.5 in listed
    if not valid or sorted(set(listed)) != listed:
        raise ConfigError(
            f"train.loss.quantile.quantiles={quantiles} does not work; expected rising numbers between 0 and 1, 0.5 "
            "among them"
        )
    return MaskedRegressionLoss(PinballLoss(listed), len(listed))


def gaussian_nll(smallest_variance: float = 1e-6) -> MaskedRegressionLoss:
    """Build the negative log-likelihood of a normal distribution (Nix and Weigend 1994).

    The network has two outputs, the mean and the logarithm of the variance.

    Args:
        smallest_variance: Lower limit of the variance, above 0; below it the gradient stays, as in PyTorch.

    Raises:
        ConfigError: `smallest_variance` is not such a number.
    """
    check_number("train.loss.gaussian_nll.smallest_variance", smallest_variance)
    lower_limit = math.log(smallest_variance)

    def negative_log_likelihood(outputs: Tensor, values: Tensor) -> Tensor:
        mean, log_variance = outputs[:, :1], outputs[:, 1:]
        # the value is clamped, the gradient passes unchanged
        log_variance = log_variance.detach().clamp_min(lower_limit) + (log_variance - log_variance.detach())
        return (log_variance + (values - mean).square() * (-log_variance).exp() + math.log(2 * math.pi)) / 2

    return MaskedRegressionLoss(negative_log_likelihood, 2)
