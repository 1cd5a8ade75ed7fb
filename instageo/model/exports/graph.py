"""The graph of an export: its inputs and outputs, how chips are fed to it, and how it is made of a trained model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.graphs.pixel_network import BYTE, PixelScaling, activate
from instageo.model.graphs.program import EXAMPLE_BATCH, INPUT_NAMES, InputShape, trace
from instageo.model.tasks.base import Task
from instageo.raster.grid import Grid

Feed = Mapping[str, NDArray[np.float32]]
"""Arrays by the name of the input, each with the batch as first dimension."""


@dataclass(frozen=True)
class ExportTile:
    """A window of a chip of the size that the graph takes.

    Attributes:
        name: The chip, as its table names it.
        pixels: Shape (C, T, h, w), as stored; NaN where the file says, in another way than by value, "no observation".
        sample: The same window, decoded, with its label if it has one.
        grid: Position of the chip's pixels on Earth.
    """

    name: str
    pixels: NDArray[np.float32]
    sample: Sample
    grid: Grid


@dataclass(frozen=True)
class ExportGraph:
    """A trained network as it is to be written.

    Attributes:
        module: From the inputs to the output.
        task: The meaning of the network's outputs.
        shape: Bands, dates, height and width of an image.
        scaling: What turns stored pixels into the network's input.
        band_names: Bands of one date.
        class_names: Empty for regression.
        coordinates: Times (T, 2) and location (2,) of all images; None if they are inputs or not used.
        takes_coordinates: Whether times and locations are inputs.
        normalized_input: Whether the input is normalised in place of pixels as stored.
        logits: Whether the output is the network's in place of probabilities or values.
        stacked: Whether dates are stacked in channels and pixels divided by 255.
        resolution: Metres per pixel; None if unknown.
    """

    module: nn.Module
    task: Task
    shape: InputShape
    scaling: PixelScaling
    band_names: tuple[str, ...]
    class_names: tuple[str, ...]
    coordinates: tuple[Tensor, Tensor] | None = None
    takes_coordinates: bool = False
    normalized_input: bool = False
    logits: bool = False
    stacked: bool = False
    resolution: float | None = None

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each input, without the batch."""
        bands, dates, height, width = self.shape.bands, self.shape.dates, self.shape.height, self.shape.width
        image = (bands * dates, height, width) if self.stacked else (bands, dates, height, width)
        shapes = (image, (dates, 2), (2,)) if self.takes_coordinates else (image,)
        return dict(zip(INPUT_NAMES, shapes, strict=False))

    @property
    def num_outputs(self) -> int:
        """Channels of the output."""
        return self.task.num_outputs if self.logits or self.class_names else 1

    def trace(self) -> torch.export.ExportedProgram:
        """Return the module as a graph with an open batch."""
        image, time, location = self.shape.example()
        example = torch.zeros(EXAMPLE_BATCH, *self.inputs["image"]) if self.stacked else image
        return trace(self.module, (example, time, location)[: len(self.inputs)])

    def feed(self, tiles: Sequence[ExportTile]) -> Feed:
        """Return the inputs for a batch of tiles."""
        if self.normalized_input:
            mean, std = torch.tensor(self.scaling.mean), torch.tensor(self.scaling.std)
            image = torch.stack([normalize(tile.sample.image, tile.sample.valid, mean, std) for tile in tiles]).numpy()
        else:
            image = np.stack([tile.pixels for tile in tiles])
        if self.stacked:
            image = image.swapaxes(1, 2).reshape(len(tiles), *self.inputs["image"]) / np.float32(BYTE)
        feed = {"image": np.ascontiguousarray(image, np.float32)}
        if self.takes_coordinates:
            batch = stack_samples([replace(tile.sample, label=None) for tile in tiles])
            for name, coordinates in zip(INPUT_NAMES[1:], (batch.temporal_coords, batch.location_coords), strict=True):
                if coordinates is not None:
                    feed[name] = coordinates.numpy()
        return feed

    def samples(self, tiles: Sequence[ExportTile]) -> Sample:
        """Return a batch of tiles for the network itself, without labels, with the coordinates that the graph uses."""
        batch = stack_samples([replace(tile.sample, label=None) for tile in tiles])
        if self.coordinates is None:
            return batch
        time, location = (part.expand(len(tiles), *part.shape) for part in self.coordinates)
        return replace(batch, temporal_coords=time, location_coords=location)

    def interpret(self, output: NDArray[np.float32]) -> Tensor:
        """Return probabilities, or natural values, of what the graph gave for a batch, (B, K, h, w)."""
        return activate(torch.from_numpy(output), self.task if self.logits else None)
