"""Choose what computes the network of a predictor, with tiles of its own work."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from instageo.errors import ConfigError, InstaGeoError
from instageo.model.backends.backend import AUTO, TORCH, BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.candidates import BACKENDS, INT8_BACKEND
from instageo.model.backends.choice import build_backend, choose_backend
from instageo.model.backends.int8_export import Int8Export, find_int8_export
from instageo.model.backends.trial import Agreement
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.exports.export_record import read_record
from instageo.model.graphs.exported_files import EXPORTS, RECORD_FILE
from instageo.model.graphs.program import InputShape
from instageo.model.inference.agreement import same_predictions
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.networks.device import HALF_PRECISION
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.derived import band_names
from instageo.model.tasks.regression import Regression

log = logging.getLogger(__name__)

SomePredictor = TypeVar("SomePredictor", bound=Predictor)

MAX_PROBABILITY_DIFFERENCE, MAX_VALUE_DIFFERENCE = 0.05, 0.01
"""Largest difference of probabilities, and for regression as a share of the deviation, that means the same."""

SEED = 0
"""Of the noise that stands in for tiles where there are none yet."""


class ChosenBackend(NamedTuple):
    """A backend, and height and width of the chips that it is built for; None for those of the settings."""

    choice: BackendChoice
    size: tuple[int, int] | None


ReadTiles = Callable[[int], Sequence[Sample]]
"""Reads at most that number of decoded tiles of the work."""


def choose_for_work(
    predictor: SomePredictor,
    read_tiles: ReadTiles,
    num_tiles: float,
    size: tuple[int, int] | None = None,
    num_callers: int = 1,
) -> SomePredictor:
    """Return a predictor with what computes its network fastest, or what the settings `engine` name.

    Args:
        predictor: With its network.
        read_tiles: Reads tiles for a trial; called only if there is one.
        num_tiles: About how many tiles are to be computed.
        size: Height and width of most tiles; None for the size in the settings.
        num_callers: Threads that compute batches at the same time.
    """
    engine, settings = predictor.settings.engine, predictor.settings
    request = BackendChoice(engine.backend, engine.precision)
    if request == BackendChoice() and (settings.precision in HALF_PRECISION or settings.compile):
        return predictor  # a way to compute in PyTorch was chosen
    network = network_source(predictor, size)

    def read_chips(count: int) -> ChipBatch | None:
        tiles = [tile for tile in read_tiles(count) if tuple(tile.image.shape[-2:]) == network.shape.size]
        return to_chips(predictor, tiles[:count]) if tiles else None

    backend = choose_backend(network, request, read_chips, num_tiles, agreement_of(predictor), num_callers)
    return replace(predictor, backend=backend)


def choose_for_chips(
    predictor: SomePredictor, read_chip: Callable[[int], Sample], shapes: Sequence[tuple[int, int]]
) -> SomePredictor:
    """Choose for whole chips of a table; see `choose_for_work`.

    Args:
        predictor: With its network.
        read_chip: Reads a chip by its index.
        shapes: Height and width of each chip.
    """
    axes = [(predictor.tiling.axis(height), predictor.tiling.axis(width)) for height, width in shapes]
    sizes = Counter((rows.size, columns.size) for rows, columns in axes)
    size = max(sizes, key=lambda each: sizes[each]) if sizes else None

    def read_tiles(count: int) -> list[Sample]:
        fitting = [index for index, (rows, columns) in enumerate(axes) if (rows.size, columns.size) == size]
        tiles: list[Sample] = []
        for index in fitting[:: max(len(fitting) // count, 1)]:
            with suppress(InstaGeoError):  # which is reported when the chip is predicted
                tiles += cut_tiles(predictor, replace(read_chip(index), label=None), count)
            if len(tiles) >= count:
                break
        return tiles[:count]

    num_tiles = sum(len(rows.starts) * len(columns.starts) for rows, columns in axes)
    return choose_for_work(predictor, read_tiles, num_tiles, size)


def use_backend(predictor: SomePredictor, choice: BackendChoice, size: tuple[int, int] | None = None) -> SomePredictor:
    """Return a predictor whose network a named backend computes, without a trial.

    Raises:
        BackendUnavailableError: This machine cannot.
        MissingExtraError: A package is not installed.
    """
    return replace(predictor, backend=build_backend(network_source(predictor, size), choice))


def use_named_backend(predictor: SomePredictor, device: str) -> SomePredictor:
    """Return a predictor with what the settings name for a kind of device, and PyTorch for what they leave open.

    What the device cannot have is replaced by PyTorch, with a warning.

    Raises:
        BackendUnavailableError: This machine cannot.
        MissingExtraError: A package is not installed.
    """
    request = BackendChoice(predictor.settings.engine.backend, predictor.settings.engine.precision)
    backend = TORCH.backend
    if device == "cpu" and request.backend != AUTO:
        backend = request.backend
    elif device == "cpu" and request.precision == "int8":
        backend = INT8_BACKEND
    precision = request.precision if request.precision in BACKENDS[backend].precisions else TORCH.precision
    choice = BackendChoice(backend, precision)
    if any(asked not in (AUTO, chosen) for asked, chosen in zip(request, choice, strict=True)):
        log.warning("engine: %s cannot be had on %s; %s computes", request, device, choice)
    return predictor if choice == TORCH else use_backend(predictor, choice)


def chosen_backend(predictor: Predictor) -> ChosenBackend | None:
    """Return what computes a predictor's network, for other processes."""
    backend = predictor.backend
    return None if backend is None else ChosenBackend(backend.choice, backend.size)


def noise_tiles(predictor: Predictor, count: int) -> list[Sample]:
    """Return tiles of noise with the mean and standard deviation of the training chips, for trials without an image."""
    shape, data = _input_shape(predictor, None), predictor.settings.dataloader
    generator = torch.Generator().manual_seed(SEED)
    mean, std = (torch.tensor(values)[:, None, None, None] for values in (data.mean, data.std))
    pixels = shape.bands, shape.dates, shape.height, shape.width
    return [
        Sample(torch.randn(pixels, generator=generator) * std + mean, torch.ones(pixels[1:], dtype=torch.bool))
        for _ in range(count)
    ]


def cut_tiles(predictor: Predictor, sample: Sample, count: int) -> list[Sample]:
    """Return at most that number of tiles of a decoded image, spread over it."""
    tiling = predictor.tiling
    rows, columns = (tiling.axis(side) for side in sample.image.shape[-2:])
    windows = [
        (rows.window(row), columns.window(column))
        for row in range(len(rows.starts))
        for column in range(len(columns.starts))
    ]
    step = max(len(windows) // count, 1)
    return [sample.crop(*window) for window in windows[::step][:count]]


def network_source(predictor: Predictor, size: tuple[int, int] | None) -> NetworkSource:
    """Return the network of a predictor as backends take it.

    Args:
        predictor: With its network.
        size: Height and width of most tiles; None for the size in the settings.
    """
    shape = _input_shape(predictor, size)
    return NetworkSource(
        predictor.net, shape, _checksum(predictor), predictor.device, _find_int8_export(predictor, shape)
    )


def _input_shape(predictor: Predictor, size: tuple[int, int] | None) -> InputShape:
    settings, tile = predictor.settings, predictor.tiling.tile
    return InputShape(len(band_names(settings)), settings.dataloader.temporal_dim, *(size or (tile, tile)))


def _find_int8_export(predictor: Predictor, shape: InputShape) -> Int8Export | None:
    """Return the model's int8 export for tiles of a shape; None if there is none, or the settings exclude int8.

    Raises:
        ConfigError: The folder that `engine.export` names has no exports of this model, or with `engine.precision=int8`
            that of the model is damaged or has those of another.
    """
    engine, source = predictor.settings.engine, predictor.settings.checkpoint_path
    open_to_int8 = engine.backend in (AUTO, INT8_BACKEND) and engine.precision in (AUTO, "int8")
    if source is None or predictor.device.type != "cpu" or not open_to_int8:
        return None
    checkpoint = locate_checkpoint(source)
    folder = checkpoint.parent / EXPORTS if engine.export is None else Path(engine.export).expanduser()
    try:
        record = read_record(folder)
        if engine.export is not None and not record["exports"]:
            raise ConfigError(
                f"engine.export={engine.export}: has no {RECORD_FILE} that lists exports; expected a folder of exports"
            )
        return find_int8_export(folder, record, checkpoint, shape, band_names(predictor.settings))
    except ConfigError as error:
        if engine.export is not None or engine.precision == "int8":
            raise
        log.warning("engine: int8 is not tried: %s", error)
        return None


def agreement_of(predictor: Predictor) -> Agreement:
    """Return how outputs of a task are compared: by class and probability, or by value."""
    task = predictor.task

    def agreement(reference: Tensor, outputs: Tensor) -> float:
        expected, actual = (task.activate(part.float()).transpose(0, 1) for part in (reference, outputs))
        same = same_predictions(task, expected, actual, MAX_VALUE_DIFFERENCE * float(expected.std())).all(0)
        if not isinstance(task, Regression):
            same &= (expected - actual).abs().amax(0) <= MAX_PROBABILITY_DIFFERENCE
        return float(same.double().mean())

    return agreement


def to_chips(predictor: Predictor, tiles: Sequence[Sample]) -> ChipBatch:
    """Return decoded tiles of one size as the network takes them, on its device."""
    batch = stack_samples(list(tiles)).to(predictor.device)
    dates, count = predictor.settings.dataloader.temporal_dim, len(tiles)
    unknown = torch.full((count, dates, 2), torch.nan, device=predictor.device)
    time = unknown if batch.temporal_coords is None else batch.temporal_coords
    location = unknown[:, 0] if batch.location_coords is None else batch.location_coords
    return ChipBatch(predictor.normalized(batch), time.float(), location.float())


def _checksum(predictor: Predictor) -> str:
    """Return a checksum of weights and architecture."""
    settings, digest = predictor.settings, sha256()
    for name, tensor in predictor.net.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    data = settings.dataloader
    architecture = settings_to_dict(settings)["model"], list(band_names(settings)), data.temporal_dim, data.img_size
    digest.update(repr((architecture, repr(predictor.net))).encode())
    return digest.hexdigest()
