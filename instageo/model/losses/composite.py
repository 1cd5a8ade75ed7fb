"""Weighted sums of losses, and a check on the output of user-defined losses."""

from collections.abc import Sequence

from torch import Tensor, nn

from instageo.errors import ConfigError


class CompositeLoss(nn.Module):
    """Weighted sum of losses.

    Args:
        losses: Modules that are called with outputs and labels and return a scalar.
        weights: One weight per loss.
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses, self.weights = nn.ModuleList(losses), tuple(weights)

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Return the weighted sum, a scalar, of outputs (B, C, H, W) and labels."""
        first, *others = (weight * loss(outputs, label) for weight, loss in zip(self.weights, self.losses, strict=True))
        total: Tensor = sum(others, start=first)
        return total


class ValidatedLoss(nn.Module):
    """User-defined loss whose output is checked.

    Args:
        loss: The user's own.
        name: Name of the loss in messages.
    """

    def __init__(self, loss: nn.Module, name: str) -> None:
        super().__init__()
        self.loss, self.name = loss, name

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar, of outputs (B, C, H, W) converted to float32.

        Raises:
            ConfigError: The loss returned something other than a floating-point scalar.
        """
        value = self.loss(outputs.float(), label)
        if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
            return value
        output = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(
            f"{self.name}: returned {output}; expected a floating-point tensor without dimensions, the mean over the "
            "labels that count"
        )
