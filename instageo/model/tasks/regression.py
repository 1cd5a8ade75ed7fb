"""Regression: each pixel, or each chip, has a value."""

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn

from instageo.model.figures.density import draw_density
from instageo.model.metrics.coverage import IntervalCoverage
from instageo.model.metrics.density import DensityRange
from instageo.model.metrics.regression import RegressionMetrics
from instageo.model.metrics.summary import summarize_scores
from instageo.model.tasks.base import Monitor, Scores
from instageo.model.tasks.predictions import RegressionPrediction
from instageo.model.tasks.score_files import round_score, write_scores
from instageo.model.tasks.target_scale import TargetScale

log = logging.getLogger(__name__)

MEDIAN = 0.5
"""Level of the quantile that is the point estimate."""

GAUSSIAN_LEVELS = 0.05, 0.95
"""Quantiles that are reported for a network that predicts mean and variance."""


@dataclass(frozen=True)
class RegressionOutputs:
    """The meaning of a regression network's output channels.

    Attributes:
        gaussian: Whether they are the mean and the logarithm of the variance.
        levels: The quantiles that they are, rising, one of them 0.5; empty for no quantiles.
    """

    gaussian: bool = False
    levels: tuple[float, ...] = ()

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return len(self.levels) or 1 + self.gaussian

    def point_estimate(self, raw: Tensor) -> Tensor:
        """Return values (..., H, W) of outputs (..., C, H, W), in the network's scale: the median of `quantiles`."""
        return raw.sort(-3).values[..., self.levels.index(MEDIAN), :, :] if self.levels else raw[..., 0, :, :]

    def quantiles(self, raw: Tensor) -> dict[float, Tensor]:
        """Return quantiles (H, W) by level of outputs (C, H, W), in the network's scale, without the point estimate.

        Quantiles that cross are put in order.
        """
        if self.levels:
            ordered = dict(zip(self.levels, raw.sort(0).values, strict=True))
            return {level: values for level, values in ordered.items() if level != MEDIAN}
        if not self.gaussian:
            return {}
        spread = (raw[1] / 2).exp()
        return {level: raw[0] + NormalDist().inv_cdf(level) * spread for level in GAUSSIAN_LEVELS}

    @property
    def interval(self) -> tuple[float, float] | None:
        """Levels of the lowest and the highest quantile, on either side of the median; None if there are none."""
        levels = GAUSSIAN_LEVELS if self.gaussian else self.levels
        return (levels[0], levels[-1]) if levels and levels[0] < MEDIAN < levels[-1] else None


@dataclass(frozen=True)
class Regression:
    """Values of pixels, or of whole chips.

    Attributes:
        scale: Converts between the network's scale and natural values.
        outputs: The meaning of its channels.
        expected_error: Coefficients (a, b) of the share within ±(a + b |truth|); None for no such score.
        plot: Whether a scatter plot is drawn.
        image_level: Whether a chip has one value.
        output_range: Lowest and highest value that is predicted; others are clipped, in maps, scores and figures.
    """

    scale: TargetScale
    outputs: RegressionOutputs = field(default_factory=RegressionOutputs)
    expected_error: tuple[float, float] | None = None
    plot: bool = True
    image_level: bool = False
    output_range: tuple[float, float] = (-math.inf, math.inf)

    @property
    def monitor(self) -> Monitor:
        """The root mean square error, in natural units."""
        return Monitor("val_rmse", "min")

    @property
    def primary_metrics(self) -> tuple[str, ...]:
        """The scores that networks are compared by."""
        return "rmse", "r2", "pearson"

    @property
    def num_outputs(self) -> int:
        """Output channels of the network."""
        return self.outputs.num_channels

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """Return the loss with labels converted to the network's scale."""
        return ScaledTargetLoss(loss, self.scale)

    def build_metrics(
        self,
        *,
        final: bool = True,
        sync: bool = False,
        label_range: tuple[float, float] | None = None,
        device: torch.device | str = "cpu",
    ) -> "RescaledMetrics":
        """Build sums of errors in natural units and, for final scores, the density for a figure."""
        density = DensityRange.around(*label_range) if final and self.plot and label_range else None
        natural = RegressionMetrics(expected_error=self.expected_error, density=density, sync=sync, device=device)
        coverage = IntervalCoverage(sync=sync, device=device) if self.outputs.interval else None
        return RescaledMetrics(natural, self, coverage)

    def value(self, outputs: Tensor) -> Tensor:
        """Return natural values (H, W) of outputs (C, H, W)."""
        return self.to_natural(self.outputs.point_estimate(outputs))

    def to_natural(self, raw: Tensor) -> Tensor:
        """Convert values in the network's scale to natural units, float32, clamped to `output_range`."""
        return self.scale.to_natural(raw.float()).clamp(*self.output_range)

    def write_report(self, metrics: "RescaledMetrics", folder: Path) -> dict[str, float]:
        """Write metrics.json, metrics.csv and, if `plot` is set, scatter.png.

        metrics.json also has the sums that the scores follow from, so that those of several tables can be added up.
        """
        scores = metrics.compute()
        numbers = {name: float(value) for name, value in scores.items()}
        line = {name: int(value) if name == "count" else round_score(value) for name, value in scores.items()}
        title = f"RMSE {numbers['rmse']:.4g}, R2 {numbers['r2']:.4f}"
        content = {**summarize_scores(scores), "sums": metrics.natural.sums.to_dict()}
        summary = write_scores(content, [dict(line)], title, folder)
        density = metrics.natural.compute_density()
        if density is not None:
            path, unit = folder / "scatter.png", "chips" if self.image_level else "pixels"
            draw_density(density, numbers, path, expected_error=self.expected_error, counted=unit)
            log.info("scatter plot: %s", path)
        return summary

    def activate(self, outputs: Tensor) -> Tensor:
        """Return outputs as they are: values on the network's scale are averaged."""
        return outputs

    def deactivate(self, averaged: Tensor) -> Tensor:
        """Return averages as they are."""
        return averaged

    def average_to_prediction(self, averaged: Tensor, observed: Tensor) -> RegressionPrediction:
        """Convert averaged outputs (C, H, W) as `to_prediction` does."""
        return self.to_prediction(averaged, observed)

    def to_prediction(self, outputs: Tensor, observed: Tensor) -> RegressionPrediction:
        """Convert outputs (C, H, W) to natural values, masked where nothing was observed."""

        def natural(raw: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            return self.to_natural(raw).masked_fill(~observed, torch.nan).cpu().numpy()

        quantiles = {level: natural(raw) for level, raw in self.outputs.quantiles(outputs).items()}
        return RegressionPrediction(natural(self.outputs.point_estimate(outputs)), observed.cpu().numpy(), quantiles)

    def to_record(self, prediction: RegressionPrediction) -> dict[str, str]:
        """Return the chip's value and its quantiles; empty where nothing was observed."""
        values = {"prediction": prediction.values[0, 0]}
        values |= {f"quantile_{level:g}": layer[0, 0] for level, layer in prediction.quantiles.items()}
        return {name: f"{value:.9g}" if prediction.valid[0, 0] else "" for name, value in values.items()}


class ScaledTargetLoss(nn.Module):
    """A loss that takes labels in their natural unit, and outputs in the network's scale."""

    def __init__(self, loss: nn.Module, scale: TargetScale) -> None:
        super().__init__()
        self.loss, self.scale = loss, scale

    def forward(self, outputs: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        loss: Tensor = self.loss(outputs, self.scale.from_natural(label))
        return loss


class RescaledMetrics:
    """Scores in natural units, from outputs in the network's scale.

    Args:
        natural: Scores of the values.
        task: Turns outputs into values.
        coverage: Counts labels inside the predicted intervals; None if the network predicts none.
    """

    def __init__(self, natural: RegressionMetrics, task: Regression, coverage: IntervalCoverage | None = None) -> None:
        self.natural, self.task, self.coverage = natural, task, coverage

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all images; later outputs and labels will be on `device`."""
        self.natural.reset(device)
        if self.coverage:
            self.coverage.reset(device)

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Count one image: outputs (C, H, W) in the network's scale, label (H, W) in natural units."""
        self.natural.update(self.task.value(outputs), label)
        if self.coverage:
            quantiles = list(self.task.outputs.quantiles(outputs).values())
            low, high = (self.task.to_natural(quantiles[end]) for end in (0, -1))
            self.coverage.update(low, high, label)

    def compute(self) -> Scores:
        """Return all scores; `coverage` is the share of labels inside the predicted interval."""
        scores = self.natural.compute()
        return scores | {"coverage": self.coverage.compute()} if self.coverage else scores
