"""Load a trained model and predict files and arrays of any size with it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import CheckpointError, ConfigError, RasterError
from instageo.locations import is_remote
from instageo.model.augmentations.pipeline import normalize, normalize_batch
from instageo.model.backends.backend import TORCH, Backend
from instageo.model.chips.dates_and_location import find_chip_coordinates
from instageo.model.chips.distribution_shift import ValueRange, chip_quantiles, describe_unlike
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.image import read_open_chip
from instageo.model.chips.layer_choice import choose_layers
from instageo.model.chips.radar import is_backscatter, to_decibels
from instageo.model.chips.sample import Sample
from instageo.model.gpu.batch_size import with_gpu_batches
from instageo.model.inference.blending import TileOutputs, outputs_of, predict_tiles
from instageo.model.inference.features import ImageFeatures, encode_image
from instageo.model.inference.image_arguments import decoded_image, image_arguments
from instageo.model.inference.tiling import Tiling, default_overlap
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.checkpoint import Checkpoint, check_network_state, load_network_state, read_checkpoint
from instageo.model.networks.device import compile_network, inference_autocast, pick_device
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.networks.meta_device import without_values
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import band_names, class_names, describe_layout, layers_by_date
from instageo.model.settings.resolve import resolve
from instageo.model.tasks.base import Task
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.tasks.predictions import Prediction
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.raster.grid import Grid
from instageo.raster.reading import OpenRaster, open_raster, read_info
from instageo.raster.validity import validity_mask
from instageo.runtime.memory import require_memory
from instageo.table import Row
from instageo.wording import counted

log = logging.getLogger(__name__)

ImageWithGrid = tuple[Sample, Grid | None]
"""An image as read, without a label, and the grid of its pixels; None without georeference."""

MEMORY_ADVICE = (
    "cut the image into smaller files, lower train.batch_size or test.crop_size, or use a machine with more memory"
)
"""What to do when memory runs out in a prediction."""

MASK_BYTES, FLOAT_BYTES, OUTPUT_COPIES = 1, 4, 4
"""Bytes of a mask's value and of a number; copies of the outputs: sum of tiles, weighted tile, prediction, mask."""


@dataclass(frozen=True)
class Predictor:
    """A trained network with everything it needs to read inputs. `load_model` returns one, a `TrainedModel`.

    Attributes:
        net: The network, in evaluation mode: normalised images (B, C, T, h, w), time and location to logits.
        settings: Resolved settings of the training run.
        metrics: Validation scores that the checkpoint carries.
        device: Device of the network.
        value_range: Usual values of the training chips; None if the checkpoint does not store them.
        said: Sentences on the reading of files that the log has already.
        backend: What computes the network; None for PyTorch with the settings' `precision`.

    Examples:
        >>> import instageo
        >>> model = instageo.load_model("model.ckpt", device="cpu")
        >>> isinstance(model, instageo.Predictor), sorted(model.metrics)
        (True, ['val_mIoU'])
    """

    net: SegmentationNetwork
    settings: Settings
    metrics: dict[str, float] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    value_range: ValueRange | None = None
    said: set[str] = field(default_factory=set, repr=False, compare=False)
    backend: Backend | None = field(default=None, repr=False, compare=False)

    @cached_property
    def task(self) -> Task:
        """The task, which gives the outputs their meaning."""
        return task_from_settings(self.settings)

    @property
    def engine(self) -> str:
        """What computes the network: runtime, number format, and what else outputs depend on."""
        return str(TORCH) if self.backend is None else self.backend.stamp

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the probabilities."""
        return class_names(self.settings)

    @property
    def tiling(self) -> Tiling:
        """Size and step of tiles: `test.crop_size`, `test.stride` or `test.overlap`; by default the training size."""
        test = self.settings.test
        tile = test.crop_size or self.settings.dataloader.img_size
        overlap = default_overlap(tile) if test.overlap is None else test.overlap
        if overlap >= tile:
            raise ConfigError(f"test.overlap={overlap} is not less than the side of a tile, {tile} pixels")
        stride = test.stride or tile - overlap
        if stride > tile:
            raise ConfigError(
                f"test.stride={stride} leaves gaps between tiles of {tile} pixels; expected at most {tile}"
            )
        return Tiling(tile, stride, self.settings.train.batch_size, self.task)

    def logits(self, samples: Sequence[Sample]) -> list[Tensor]:
        """Return the logits of decoded chips on the network's device: (K, H, W), or (K, 1, 1) if image-level."""
        return [outputs_of(each, self.task) for each in self.predict_tiles(samples)]

    def forward(self, batch: Sample, *, in_place: bool = False) -> Tensor:
        """Return the network's outputs (B, K, h, w) for decoded chips; `in_place` allows to change their pixels."""
        return self.compute(self.normalized(batch, in_place=in_place), batch.temporal_coords, batch.location_coords)

    def normalized(self, batch: Sample, *, in_place: bool = False) -> Tensor:
        """Return the images of a batch of decoded chips as the network takes them, 0 where nothing was observed."""
        return (normalize_batch if in_place else normalize)(batch.image, batch.valid, *self._statistics)

    def compute(self, image: Tensor, time: Tensor | None, location: Tensor | None) -> Tensor:
        """Return the network's outputs (B, K, h, w) for normalised images; several threads may call this at once."""
        outputs: Tensor = (self.backend or self.net)(image, time, location)
        return outputs

    def predict_tiles(self, samples: Sequence[Sample]) -> list[TileOutputs]:
        """Return the outputs for decoded chips on the network's device, averaged where they have several tiles."""
        with inference_autocast(self.device, self.settings.precision):
            images, forward = [sample.to(self.device) for sample in samples], partial(self.forward, in_place=True)
            return predict_tiles(forward, images, self.tiling)

    def observed(self, valid: Tensor) -> Tensor:
        """Return a mask (H, W) of the pixels that get a value, from the validity of each date (T, H, W).

        These are pixels with any valid date or, with `test.mask_cloud`, with all dates valid. For image-level tasks
        the mask has the shape (1, 1) and says whether there is any such pixel.
        """
        pixels = valid.all(0) if self.settings.test.mask_cloud else valid.any(0)
        return pixels.any().view(1, 1) if self.task.image_level else pixels

    @ignore_missing_georeference()
    def predict(
        self,
        source: str | Path | NDArray[np.generic],
        *,
        dates: Sequence[date] = (),
        lat_lon: tuple[float, float] | None = None,
    ) -> Prediction:
        """Predict one image of any size.

        Args:
            source: A raster file in the layout of the training chips, or its decoded pixels: shape (C, T, H, W) or,
                for one date, (C, H, W), scaled as in training, radar in decibels; NaN and the scaled no-data value mean
                "not observed".
            dates: Acquisition dates, one per date of the image; by default those in the file's tags.
            lat_lon: Latitude and longitude of its centre, degrees; by default from the file's georeference.

        Returns:
            A `ClassPrediction` with `classes`, `probabilities` and `valid`, a `RegressionPrediction` with `values`, or
            a `MultiLabelPrediction`. Maps have the methods `save`, `plot` and `to_xarray`; those of classes `areas`.

        Raises:
            RasterError: The file is missing or unreadable, or has other bands or dates than the model.
            DataError: The number of `dates` differs from that of the image.

        Examples:
            >>> import instageo
            >>> model = instageo.load_model("model.ckpt", device="cpu")
            >>> prediction = model.predict("chip.tif")
            >>> prediction.classes.shape, prediction.probabilities.shape
            ((32, 32), (2, 32, 32))
            >>> prediction.save("map.tif")
            >>> sorted(prediction.areas("ha"))
            ['0', '1']
        """
        source, dates, lat_lon = image_arguments(source, dates, lat_lon)
        prediction = self.predict_image(self.read(source, dates, lat_lon))
        if unlike := describe_unlike([prediction.unlike_training]):
            log.warning("%s", unlike)
        if isinstance(source, np.ndarray) or is_remote(source):
            return prediction
        return replace(prediction, source=Path(source).resolve())

    @ignore_missing_georeference()
    def encode(
        self,
        source: str | Path | NDArray[np.generic],
        *,
        dates: Sequence[date] = (),
        lat_lon: tuple[float, float] | None = None,
    ) -> ImageFeatures:
        """Return the encoder's token features of one image of any size; the head is not used.

        Args:
            source: As in `predict`.
            dates: As in `predict`.
            lat_lon: As in `predict`.

        Returns:
            `tokens` (T, h, w, D), one per date and patch, and `class_token` (D,).

        Raises:
            ConfigError: The network is convolutional.
            RasterError: As in `predict`.
            DataError: As in `predict`.

        Examples:
            >>> import instageo, numpy as np
            >>> model = instageo.load_model("model.ckpt", device="cpu")
            >>> features = model.encode("chip.tif")
            >>> features.tokens.shape, features.class_token.shape
            ((1, 2, 2, 256), (256,))
        """
        sample = self.read(*image_arguments(source, dates, lat_lon))[0].to(self.device)
        tile = self.settings.test.crop_size or self.settings.dataloader.img_size
        with inference_autocast(self.device, self.settings.precision):
            image = normalize(sample.image, sample.valid, *self._statistics)
            return encode_image(self.net.encoder_for("encode"), replace(sample, image=image), tile)

    @property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each band, on the device."""
        data = self.settings.dataloader
        return torch.tensor(data.mean, device=self.device), torch.tensor(data.std, device=self.device)

    def read(
        self, source: str | Path | NDArray[np.generic], dates: Sequence[date], lat_lon: tuple[float, float] | None
    ) -> ImageWithGrid:
        """Read an image for `predict_image`; needs no network and may run in another thread."""
        steps = self.settings.dataloader.temporal_dim
        if isinstance(source, np.ndarray):
            image, valid = self._from_array(source)
            return decoded_image(image, valid, find_chip_coordinates(dates, lat_lon, None, {}, steps)), None
        with open_raster(source) as file:
            self._require_memory(file)
            chip = read_open_chip(file, chip_format_from_settings(self.settings))
        self.announce(chip.choice.layers, chip.choice.notes)
        self._check_shape(chip.image, str(source))
        return decoded_image(
            chip.image, chip.valid, find_chip_coordinates(dates, lat_lon, chip.grid, chip.tags, steps)
        ), chip.grid

    def announce(self, layers: Sequence[int], notes: Iterable[str] = ()) -> None:
        """Write once into the log which layers of files are read as which bands, and what else is noted on them."""
        for note in [note for note in notes if note not in self.said]:
            log.warning("%s", note)
        layout = describe_layout(self.settings, layers)
        if layout not in self.said:
            log.info("%s", layout)
        self.said.update(notes, [layout])

    def layers_of(self, path: str | Path) -> dict[str, Any]:
        """Return which layers of a file are read as which bands, a dictionary for each date, and what is noted on it.

        Raises:
            RasterError: As in `predict`.
        """
        choice = choose_layers(read_info(path), chip_format_from_settings(self.settings), str(path))
        return {"read_as": layers_by_date(self.settings, choice.layers), "notes": list(choice.notes)}

    def required_memory(self, path: str | Path) -> int:
        """Return about how many bytes a file, its image and its prediction take; the file's pixels are not read.

        Raises:
            RasterError: The file is missing or unreadable.
        """
        info = read_info(path)
        return self.memory_for(info.num_layers, *info.grid.shape, np.dtype(info.dtype).itemsize)

    def memory_for(self, layers: int, rows: int, columns: int, value_bytes: int) -> int:
        """Return about how many bytes an image, its file's pixels and its prediction take.

        Args:
            layers: Layers of the file.
            rows: Its height, pixels.
            columns: Its width, pixels.
            value_bytes: Bytes of a stored value.
        """
        layers = len(self.settings.dataloader.bands or ()) or layers
        per_pixel = layers * (value_bytes + MASK_BYTES + FLOAT_BYTES)  # stored, valid, image
        return rows * columns * (per_pixel + OUTPUT_COPIES * self.task.num_outputs * FLOAT_BYTES)

    def _require_memory(self, file: OpenRaster) -> None:
        """Raise OutOfMemoryError if a file, its image and its prediction do not fit into memory, before it is read."""
        info = file.info
        layers = len(self.settings.dataloader.bands or ()) or info.num_layers
        what = f"{file.path}: predicting {info.grid.height} x {info.grid.width} pixels of {layers} layers"
        needed = self.memory_for(info.num_layers, *info.grid.shape, np.dtype(info.dtype).itemsize)
        require_memory(needed, what, MEMORY_ADVICE)

    def read_row(self, row: Row) -> ImageWithGrid:
        """Read the chip of a table's row; its dates and location take precedence over the file's."""
        return self.read(row.input, row.dates, row.lat_lon)

    def predict_image(self, image: ImageWithGrid) -> Prediction:
        """Predict an image that `read` returned."""
        sample, grid = image
        [outputs] = self.predict_tiles([sample])
        prediction = self.prediction(outputs.values, sample.valid, grid, averaged=outputs.averaged)
        return replace(prediction, unlike_training=self.find_unlike_bands(sample))

    def find_unlike_bands(self, sample: Sample) -> dict[str, str]:
        """Return the bands of a decoded chip with values unlike the training chips: `higher` or `lower`, by name."""
        quantiles = chip_quantiles(sample.image.numpy(), sample.valid.numpy())
        data = self.settings.dataloader
        usual = self.value_range or ValueRange.from_statistics(data.mean, data.std)
        return {} if quantiles is None else usual.find_unlike(quantiles, band_names(self.settings))

    def _from_array(self, values: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, so they are no observations
            image = values.astype(np.float32)
        image = image[:, None] if image.ndim == 3 else image
        self._check_shape(image, f"array: has the shape {image.shape}")
        in_float32, in_float64 = self._scaled_no_data
        layers = image.reshape(-1, *image.shape[2:])
        observed = validity_mask(layers, [in_float32] * len(layers), in_float64).reshape(image.shape)
        unit = self.settings.dataloader.radar_unit
        if unit is not None:
            observed &= is_backscatter(image, "db")
        valid: NDArray[np.bool_] = np.all(observed, axis=0)
        if unit is not None:
            to_decibels(image, observed, "db")
        image[~observed] = 0
        return image, valid

    @property
    def _scaled_no_data(self) -> tuple[float | None, float | None]:
        """The no-data value in the unit of arrays, as scaling in float32 and in float64 gives it; None without one."""
        data, unlimited = self.settings.dataloader, replace(chip_format_from_settings(self.settings), max_value=None)
        if data.no_data_value is None or data.radar_unit == "linear":  # not in decibels
            return None, None
        if data.radar_unit is not None:
            return data.no_data_value, data.no_data_value
        with np.errstate(over="ignore"):
            in_float32 = unlimited.rescale(np.array([data.no_data_value], np.float32))
        return float(in_float32[0]), float(unlimited.rescale(np.array([data.no_data_value], np.float64))[0])

    def _check_shape(self, image: NDArray[np.float32], description: str) -> None:
        bands, dates = len(band_names(self.settings)), self.settings.dataloader.temporal_dim
        if image.ndim != 4 or image.shape[:2] != (bands, dates):
            raise RasterError(
                f"{description}; the model needs {counted(bands * dates, 'layer')} "
                f"({counted(dates, 'date')} x {counted(bands, 'band')}; "
                f"as an array ({bands}, {dates}, height, width))"
            )

    def prediction(self, outputs: Tensor, valid: Tensor, grid: Grid | None, *, averaged: bool = False) -> Prediction:
        """Return the prediction for outputs (K, H, W), masked where nothing was observed.

        Args:
            outputs: Outputs of the network, or with `averaged` averages of `Task.activate`.
            valid: Shape (T, H, W), whether each date was observed.
            grid: Position of the pixels.
            averaged: Whether `outputs` are averages.
        """
        convert = self.task.average_to_prediction if averaged else self.task.to_prediction
        return replace(convert(outputs, self.observed(valid).to(outputs.device)), grid=grid)


def predictor_from_settings(
    settings: Settings, explicit: frozenset[str], device: str | torch.device | None = None
) -> Predictor:
    """Load the model at `settings.checkpoint_path`; keys in `explicit` may not contradict it."""
    checkpoint = read_checkpoint(str(settings.checkpoint_path))
    resolved = resolve(settings, explicit, checkpoint=checkpoint)
    _check_outputs(resolved, checkpoint)
    with without_values():  # settings of a foreign file could make weights huge
        check_network_state(network_from_settings(resolved), checkpoint)
    net = network_from_settings(resolved)
    load_network_state(net, checkpoint)
    chosen = torch.device(device or pick_device(settings.accelerator))
    if settings.compile:
        compile_network(net, on_cpu=chosen.type == "cpu")
    sized = with_gpu_batches(resolved, explicit, net.eval().to(chosen), chosen)
    return Predictor(net, sized, checkpoint.metrics, chosen, checkpoint.value_range)


def _check_outputs(settings: Settings, checkpoint: Checkpoint) -> None:
    """Refuse a loss under which the outputs would be read as something else, such as other quantiles."""
    own = checkpoint.settings.get("train.loss")
    if task_from_settings(settings) != task_from_settings(update_settings(settings, {"train.loss": own})):
        raise CheckpointError(
            f"{checkpoint.path}: was trained with train.loss={own}, but you passed train.loss={settings.train.loss}; "
            "remove train.loss, it is read from the checkpoint"
        )
