"""A trained model ready to map: from a file or an array to what it says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import CheckpointError, ConfigError, RasterError
from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.coordinates import Coordinates, chip_coordinates
from instageo.model.chips.factory import chip_format_from_settings
from instageo.model.chips.image import read_chip
from instageo.model.chips.sample import Sample
from instageo.model.inference.tiling import Tiling, predict_images
from instageo.model.networks.checkpoint import Checkpoint, load_network_state, read_checkpoint
from instageo.model.networks.device import HALF_PRECISION, compile_network, pick_device
from instageo.model.networks.factory import network_from_settings
from instageo.model.networks.segmenter import PrithviSegmenter
from instageo.model.settings import Settings
from instageo.model.settings.compose import default_config, settings_from_config, update_settings
from instageo.model.settings.resolve import apply_checkpoint, band_names, class_names, resolve_layout
from instageo.model.tasks.base import Task
from instageo.model.tasks.factory import task_from_settings
from instageo.model.tasks.predictions import Prediction
from instageo.raster.grid import Grid
from instageo.table import Row

ImageWithGrid = tuple[Sample, Grid | None]
"""An image as read, without label, and the grid it lies on."""


@dataclass(frozen=True)
class Predictor:
    """A network with all it needs to read inputs. Make one with `load_model`.

    Attributes:
        net: The network, in evaluation mode: normalised images (B, C, T, h, w), time and place to logits.
        settings: Those of the training run.
        metrics: Scores the checkpoint carries.
        device: Where the network lies.
    """

    net: PrithviSegmenter
    settings: Settings
    metrics: dict[str, float] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def task(self) -> Task:
        """What its outputs mean."""
        return task_from_settings(self.settings)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the probabilities."""
        return class_names(self.settings)

    @property
    def tiling(self) -> Tiling:
        """How large images are cut: by `test.crop_size` and `test.stride`, else training size and half of it."""
        tile = self.settings.test.crop_size or self.settings.dataloader.img_size
        stride = self.settings.test.stride or max(tile // 2, 1)
        if stride > tile:
            raise ConfigError(
                f"test.stride={stride} leaves gaps between tiles of {tile} pixels; expected at most {tile}"
            )
        return Tiling(tile, stride, self.settings.train.batch_size)

    def logits(self, samples: Sequence[Sample]) -> list[Tensor]:
        """What the network gives for decoded chips, (K, H, W), or (K, 1, 1) of chips as a whole, on its device."""
        data = self.settings.dataloader
        mean, std = (torch.tensor(values, device=self.device) for values in (data.mean, data.std))

        def forward(batch: Sample) -> Tensor:
            logits: Tensor = self.net(
                normalize(batch.image, batch.valid, mean, std), batch.temporal_coords, batch.location_coords
            )
            return logits

        kind = HALF_PRECISION.get(self.settings.precision)
        with torch.inference_mode(), torch.autocast(self.device.type, kind, enabled=kind is not None):
            return predict_images(forward, [sample.to(self.device) for sample in samples], self.tiling)

    def observed(self, valid: Tensor) -> Tensor:
        """Pixels (H, W) that get a value: those with any valid date, with `test.mask_cloud` those with all.

        Of a chip as a whole (1, 1): whether it has any such pixel.
        """
        pixels = valid.all(0) if self.settings.test.mask_cloud else valid.any(0)
        return pixels.any().view(1, 1) if self.task.image_level else pixels

    def predict(
        self,
        source: str | Path | NDArray[np.generic],
        *,
        dates: Sequence[date] = (),
        place: tuple[float, float] | None = None,
    ) -> Prediction:
        """Map one image of any size.

        Args:
            source: A raster file in the layout of the training chips, or its decoded pixels: shape (C, T, H, W) or,
                for one date, (C, H, W), scaled as in training; NaN and the no-data value, scaled alike, are no
                observation.
            dates: When it was seen, one per date of the image; by default what the file says.
            place: Latitude and longitude of its middle, degrees; by default from the file's georeference.

        Raises:
            RasterError: The file is missing or unreadable, or the bands or dates are other than the model's.
            DataError: The number of dates is not that of the image.
        """
        return self.predict_image(self.read(source, dates, place))

    def read(
        self, source: str | Path | NDArray[np.generic], dates: Sequence[date], place: tuple[float, float] | None
    ) -> ImageWithGrid:
        """The first half of `predict`, without the network; may run in another thread."""
        steps = self.settings.dataloader.temporal_dim
        if isinstance(source, np.ndarray):
            image, valid = self._from_array(source)
            return _image(image, valid, chip_coordinates(dates, place, None, {}, steps)), None
        chip = read_chip(source, chip_format_from_settings(self.settings))
        found = chip.image.shape[0] * chip.image.shape[1]
        self._check_shape(chip.image, f"{source}: has {found} layers")
        return _image(chip.image, chip.valid, chip_coordinates(dates, place, chip.grid, chip.tags, steps)), chip.grid

    def read_row(self, row: Row) -> ImageWithGrid:
        """The chip of a table's row; its time and place go before the file's."""
        return self.read(row.input, row.dates, row.place)

    def predict_image(self, image: ImageWithGrid) -> Prediction:
        """The second half of `predict`."""
        sample, grid = image
        [logits] = self.logits([sample])
        return self.prediction(logits, sample.valid, grid)

    def _from_array(self, values: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        image = values.astype(np.float32)
        image = image[:, None] if image.ndim == 3 else image
        self._check_shape(image, f"array: has the shape {image.shape}")
        missing = ~np.isfinite(image)
        data = self.settings.dataloader
        if data.no_data_value is not None:
            missing |= image == np.float32(data.no_data_value * data.constant_multiplier + data.constant_offset)
        valid: NDArray[np.bool_] = ~np.any(missing, axis=0)
        return np.where(missing, 0, image), valid

    def _check_shape(self, image: NDArray[np.float32], found: str) -> None:
        bands, dates = len(band_names(self.settings)), self.settings.dataloader.temporal_dim
        if image.ndim != 4 or image.shape[:2] != (bands, dates):
            raise RasterError(
                f"{found}; the model needs {bands * dates} layers ({dates} dates x {bands} bands; "
                f"as an array ({bands}, {dates}, height, width))"
            )

    def prediction(self, outputs: Tensor, valid: Tensor, grid: Grid | None) -> Prediction:
        """What outputs (K, H, W) say, masked where nothing was observed; valid (T, H, W)."""
        return replace(self.task.prediction(outputs, self.observed(valid).to(outputs.device)), grid=grid)


def _image(image: NDArray[np.float32], valid: NDArray[np.bool_], seen: Coordinates) -> Sample:
    time, place = map(torch.from_numpy, seen)
    return Sample(torch.from_numpy(image), torch.from_numpy(valid), None, time, place)


def load_model(source: str | Path, *, device: str | torch.device | None = None) -> Predictor:
    """Load a checkpoint for inference; nothing else is needed.

    Args:
        source: A `.ckpt` file, or the run directory that holds `instageo_best_checkpoint.ckpt`.
        device: Where to compute; None for a GPU if there is one.

    Raises:
        CheckpointError: Missing, unreadable or inconsistent.
    """
    defaults = settings_from_config(default_config())
    return predictor_from_settings(replace(defaults, checkpoint_path=str(source)), frozenset(), device)


def predictor_from_settings(
    settings: Settings, explicit: frozenset[str], device: str | torch.device | None = None
) -> Predictor:
    """The model at `settings.checkpoint_path`; keys in `explicit` may not contradict it."""
    checkpoint = read_checkpoint(str(settings.checkpoint_path))
    adopted = resolve_layout(apply_checkpoint(settings, checkpoint, explicit), explicit)
    _refuse_other_outputs(adopted, checkpoint)
    net = network_from_settings(adopted)
    load_network_state(net, checkpoint)
    chosen = torch.device(device or pick_device(settings.accelerator))
    if settings.compile:
        compile_network(net, on_cpu=chosen.type == "cpu")
    return Predictor(net.eval().to(chosen), adopted, checkpoint.metrics, chosen)


def _refuse_other_outputs(settings: Settings, checkpoint: Checkpoint) -> None:
    """Refuse a loss under which the network's outputs would be taken for something else, such as other quantiles."""
    own = checkpoint.settings.get("train.loss")
    if task_from_settings(settings) != task_from_settings(update_settings(settings, {"train.loss": own})):
        raise CheckpointError(
            f"{checkpoint.path}: was trained with train.loss={own}, but train.loss={settings.train.loss} was asked "
            "for; leave train.loss out, the checkpoint knows it"
        )
