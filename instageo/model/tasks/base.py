"""The interface of every kind of task; the rest of the program does not distinguish between kinds."""

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
    """Accumulates scores of network outputs against labels."""

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all images; later outputs and labels will be on `device`."""

    def update(self, outputs: Tensor, label: Tensor, /) -> None:
        """Count one image: outputs (C, H, W) as the network gives them, and its label."""

    def compute(self) -> Scores:
        """Return all scores; in a distributed run every process calls it."""


class Task(Protocol):
    """A kind of task."""

    @property
    def monitor(self) -> Monitor:
        """The score by which the best epoch is chosen."""

    @property
    def primary_metrics(self) -> tuple[str, ...]:
        """The scores that networks are compared by, the one of `monitor` first."""

    @property
    def image_level(self) -> bool:
        """Whether the network gives one output per chip rather than one per pixel."""

    @property
    def num_outputs(self) -> int:
        """Output channels of the network."""

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """Turn a loss in the network's own scale into one that takes labels in their natural unit."""

    def build_metrics(
        self,
        *,
        final: bool = True,
        sync: bool = False,
        label_range: tuple[float, float] | None = None,
        device: torch.device | str = "cpu",
    ) -> Any:
        """Build the metrics that `write_report` takes.

        Args:
            final: Whether all scores are computed, or only those that training uses.
            sync: Whether processes of a distributed run add up their counts.
            label_range: Lowest and highest label of the table, for regression.
            device: Where outputs will be.
        """

    def write_report(self, metrics: Any, folder: Path) -> dict[str, float]:
        """Print the scores as a table, write them as JSON, CSV and figures, and return those that are one number."""

    def activate(self, outputs: Tensor) -> Tensor:
        """Convert outputs (B, C, h, w) to what is averaged over tiles and networks: probabilities, or values."""

    def deactivate(self, averaged: Tensor) -> Tensor:
        """Convert averages (C, H, W) to outputs that mean the same, for losses and scores."""

    def to_prediction(self, outputs: Tensor, observed: Tensor) -> Prediction:
        """Convert outputs (C, H, W) to a prediction without a grid, masked where `observed` (H, W) is False."""

    def average_to_prediction(self, averaged: Tensor, observed: Tensor) -> Prediction:
        """Convert averages of `activate` (C, H, W) to a prediction as `to_prediction` does with outputs."""

    def to_record(self, prediction: Any) -> dict[str, str]:
        """Return an image-level prediction as columns of a table."""
