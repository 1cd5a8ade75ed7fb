"""What every kind of task offers; the rest of the program knows no kinds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from instageo.model.tasks.predictions import Prediction

Scores = dict[str, Tensor]
"""Scores by name, float64: scalars, one value per class, or tables."""


@dataclass(frozen=True)
class Monitor:
    """The score by which the best epoch is chosen.

    Attributes:
        name: As validation logs it.
        mode: Whether the highest or the lowest is best.
    """

    name: str
    mode: Literal["min", "max"]


class TaskMetrics(Protocol):
    """Counts what a network gives against labels."""

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all; what comes will lie on that device."""

    def update(self, outputs: Tensor, label: Tensor, /) -> None:
        """Count one image: outputs (C, H, W) as the network gives them, and its label."""

    def compute(self) -> Scores:
        """All scores; in a distributed run every process calls it."""


class Task(Protocol):
    """A kind of task."""

    @property
    def monitor(self) -> Monitor:
        """The score by which the best epoch is chosen."""

    @property
    def headline(self) -> tuple[str, ...]:
        """The scores that networks are compared by, the one of `monitor` first."""

    @property
    def image_level(self) -> bool:
        """Whether a chip has one output, not every pixel."""

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """A loss of the network's own scale as one that takes labels in their natural unit."""

    def metrics(
        self,
        *,
        final: bool = True,
        sync: bool = False,
        labels: tuple[float, float] | None = None,
        device: torch.device | str = "cpu",
    ) -> Any:
        """Counters of the kind `report` takes.

        Args:
            final: Whether all scores are wanted, or those alone that training looks at.
            sync: Whether processes of a distributed run add up.
            labels: Lowest and highest label of the table, where labels are values.
            device: Where outputs will lie.
        """

    def report(self, metrics: Any, folder: Path) -> dict[str, float]:
        """Show the scores as a table, and write them as JSON, CSV and pictures; gives those that are one number."""

    def prediction(self, outputs: Tensor, observed: Tensor) -> Prediction:
        """What outputs (C, H, W) say where something was observed, (H, W); without a grid."""

    def write(self, prediction: Any, path: Path) -> None:
        """Write a map as GeoTIFF on its grid.

        Raises:
            RasterError: It cannot be written.
        """

    def record(self, prediction: Any) -> dict[str, str]:
        """What is said of a chip as a whole, as columns of a table."""
