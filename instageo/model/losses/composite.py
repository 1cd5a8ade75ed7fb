"""Weighted sums of losses, and the check on what a user's own loss returns."""

from collections.abc import Sequence

from torch import Tensor, nn

from instageo.errors import ConfigError


class CompositeLoss(nn.Module):
    """The sum of losses, each multiplied with its weight.

    Args:
        losses: Called with outputs and labels; each returns a scalar.
        weights: One each.
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses, self.weights = nn.ModuleList(losses), tuple(weights)

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar."""
        first, *others = (weight * loss(outputs, label) for weight, loss in zip(self.weights, self.losses, strict=True))
        total: Tensor = sum(others, start=first)
        return total


class ValidatedLoss(nn.Module):
    """A loss that is refused if what it returns is none.

    Args:
        loss: The user's own.
        name: How messages call it.
    """

    def __init__(self, loss: nn.Module, name: str) -> None:
        super().__init__()
        self.loss, self.name = loss, name

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar, of outputs in float32.

        Raises:
            ConfigError: It returned something else.
        """
        value = self.loss(outputs.float(), label)
        if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
            return value
        form = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"{self.name}: returned {form}; expected one number as a tensor, the mean over what counts")
