"""A trained network with what surrounds it: from pixels as files store them to probabilities or values."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from instageo.model.tasks.base import Task
from instageo.model.tasks.regression import Regression
from instageo.sensors import RADAR_FILL_DB, RADAR_RANGE_DB

BYTE = 255.0
"""Divisor of pixels in programs that take all images for bytes."""

NO_DATA_TOLERANCE = 1e-6
"""Relative difference up to which a pixel that was divided and multiplied by `BYTE` is the no-data value."""


@dataclass(frozen=True)
class PixelScaling:
    """What turns stored pixels into a network's input.

    Attributes:
        mean: Mean of each band, after factor and offset.
        std: Standard deviation of each band.
        multiplier: Factor of stored values.
        offset: Added after it.
        no_data: Stored value that means "no observation", as NaN and infinity do; None without one.
        max_value: Larger scaled values are clipped to it; None for no limit.
        radar_unit: `linear` or `db` for radar backscatter, which becomes decibels; None for reflectance.
    """

    mean: Sequence[float]
    std: Sequence[float]
    multiplier: float = 1.0
    offset: float = 0.0
    no_data: float | None = None
    max_value: float | None = None
    radar_unit: str | None = None


class PixelScaler(nn.Module):
    """From stored pixels (B, C, T, H, W) to the network's input; dates without an observation become 0, the mean."""

    mean: Tensor
    std: Tensor

    def __init__(self, scaling: PixelScaling, *, tolerance: float = 0.0) -> None:
        super().__init__()
        self.scaling = scaling
        self.width = abs(scaling.no_data or 0) * tolerance
        for name, numbers in (("mean", scaling.mean), ("std", scaling.std)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32)[:, None, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        """Scale, convert to decibels, clip and normalise; a date counts where all its bands are observed."""
        scaling = self.scaling
        observed = torch.isfinite(pixels)
        if scaling.no_data is not None:
            observed = observed & ((pixels - scaling.no_data).abs() > self.width)
        values = torch.where(observed, pixels, 0.0) * scaling.multiplier + scaling.offset
        if scaling.radar_unit is not None:
            linear, (lowest, highest) = scaling.radar_unit == "linear", RADAR_RANGE_DB
            observed = observed & (values > (0.0 if linear else RADAR_FILL_DB))
            if linear:
                values = 10 * torch.log10(values.clamp(min=10 ** (lowest / 10)))
            values = values.clamp(lowest, highest)
        if scaling.max_value is not None:
            values = values.clamp(max=scaling.max_value)
        return torch.where(observed.all(1, keepdim=True), (values - self.mean) / self.std, 0.0)


class PixelNetwork(nn.Module):
    """A network with its scaling before it and its activation behind it.

    Args:
        net: From normalised images (B, C, T, H, W), times (B, T, 2) and locations (B, 2) to outputs (B, K, H, W).
        scaler: From pixels to normalised images; None if the input is normalised already.
        task: Turns outputs into probabilities or natural values; None for the network's outputs.
        coordinates: Times (T, 2) and a location (2,) for all images; None if they are inputs.
    """

    time: Tensor
    location: Tensor

    def __init__(
        self,
        net: nn.Module,
        scaler: PixelScaler | None,
        task: Task | None,
        coordinates: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.scaler, self.task = net, scaler or nn.Identity(), task
        self.fixed = coordinates is not None
        time, location = coordinates or (torch.empty(0), torch.empty(0))
        self.register_buffer("time", time)
        self.register_buffer("location", location)

    def forward(self, image: Tensor, time: Tensor | None = None, location: Tensor | None = None) -> Tensor:
        """Return probabilities or values (B, K, H, W), or (B, K, 1, 1) from networks with one output per image.

        Args:
            image: Shape (B, C, T, H, W).
            time: Shape (B, T, 2), year and day of year; NaN if unknown.
            location: Shape (B, 2), latitude and longitude; NaN if unknown.
        """
        if self.fixed:
            time = self.time.expand(image.shape[0], -1, -1)
            location = self.location.expand(image.shape[0], -1)
        return activate(self.net(self.scaler(image), time, location), self.task)


class StackedPixelNetwork(nn.Module):
    """A network for programs that stack the layers of all dates and divide pixels by 255.

    Args:
        network: From pixels (B, C, T, H, W) to probabilities.
        dates: T.
    """

    def __init__(self, network: PixelNetwork, dates: int) -> None:
        super().__init__()
        self.network, self.dates = network, dates

    def forward(self, image: Tensor) -> Tensor:
        """Return probabilities (B, K, H, W) for layers (B, T x C, H, W), time-major, divided by 255."""
        pixels = torch.unflatten(image * BYTE, 1, (self.dates, -1)).transpose(1, 2)
        probabilities: Tensor = self.network(pixels)
        return probabilities


def activate(outputs: Tensor, task: Task | None) -> Tensor:
    """Return probabilities, or natural values (B, 1, H, W), for a network's outputs; without a task the outputs."""
    if task is None:
        return outputs
    return task.value(outputs)[:, None] if isinstance(task, Regression) else task.activate(outputs)
