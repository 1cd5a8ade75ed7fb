"""Processes with networks: models are loaded on demand, and tiles of different requests share a forward pass."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import serve

from instageo.model.backends.backend import ChipBatch
from instageo.model.chips.distribution_shift import ValueRange
from instageo.model.inference.predictor import Predictor
from instageo.model.inference.ray_access import bind_replica_to_loopback
from instageo.model.networks.device import inference_autocast
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings import Settings
from instageo.serving.replicas.backend_trials import BackendTrials
from instageo.serving.replicas.batching import BatchQueue
from instageo.serving.settings import ServerSettings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TileBatch:
    """Tiles of one request.

    Attributes:
        model: Name of the model.
        image: Shape (B, C, T, h, w), normalised.
        temporal_coords: Shape (B, T, 2).
        location_coords: Shape (B, 2).
    """

    model: str
    image: Array
    temporal_coords: Array
    location_coords: Array

    def to_chips(self) -> ChipBatch:
        """Return the tiles as networks take them; nothing is copied."""
        return ChipBatch(*map(torch.from_numpy, (self.image, self.temporal_coords, self.location_coords)))


@dataclass(frozen=True)
class TileLogits:
    """The network's output for the tiles of one request.

    Attributes:
        logits: Shape (B, K, h, w), or (B, K, 1, 1) if the model is image-level.
        tiles_in_pass: Tiles, also of other requests, in the same forward pass.
    """

    logits: Array
    tiles_in_pass: int


@dataclass(frozen=True)
class ModelDescription:
    """Everything about a model except its network.

    Attributes:
        settings: Those of the training run.
        metrics: Scores that the checkpoint contains.
        parameters: Number of parameters.
        value_range: Usual values of the training chips; None if unknown.
    """

    settings: Settings
    metrics: dict[str, float]
    parameters: int
    value_range: ValueRange | None = None


class ModelReplica:
    """What a process with networks does: it loads models and computes tiles; `processes` starts it."""

    def __init__(self, settings: ServerSettings) -> None:
        keep_freed_memory()
        bind_replica_to_loopback()
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.replicas))  # Ray's default is 1
        loader, self.settings = ThreadPoolExecutor(1), settings

        self.trials = BackendTrials(settings.backend, settings.precision)

        async def load(model: str) -> Predictor:
            return await asyncio.get_running_loop().run_in_executor(loader, self.trials.load, settings.models[model])

        self.predictor = serve.multiplexed(max_num_models_per_replica=settings.max_models)(load)
        self.queue = BatchQueue(
            _compute_batch, lambda item: len(item[1].image), settings.batch_tiles, settings.batch_wait_ms / 1000
        )

    async def describe(self, model: str) -> ModelDescription:
        """Return the description of a model, which is loaded if need be."""
        predictor = await self.predictor(model)
        count = sum(parameter.numel() for parameter in predictor.net.parameters())
        return ModelDescription(predictor.settings, predictor.metrics, count, predictor.value_range)

    async def compute(self, tiles: TileBatch) -> TileLogits:
        """Return the network's output for the tiles of one request."""
        predictor = await self.predictor(tiles.model)
        predictor = self.trials.current(self.settings.models[tiles.model], predictor, tiles.to_chips())
        return await asyncio.wrap_future(self.queue.submit((predictor, tiles)))


def _compute_batch(items: Sequence[tuple[Predictor, TileBatch]]) -> list[TileLogits]:
    """Return the output for each item; items of the same model and tile shape share a forward pass."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, (_, tiles) in enumerate(items):
        groups.setdefault((tiles.model, tiles.image.shape[1:]), []).append(index)
    results: dict[int, TileLogits] = {}
    for indices in groups.values():
        batches = [items[index][1] for index in indices]
        logits = _forward(items[indices[0]][0], batches)
        ends = np.cumsum([len(tiles.image) for tiles in batches])
        for index, part in zip(indices, np.split(logits, ends[:-1]), strict=True):
            results[index] = TileLogits(part, len(logits))
    return [results[index] for index in range(len(items))]


def _forward(predictor: Predictor, batches: Sequence[TileBatch]) -> Array:
    image, temporal_coords, location_coords = (
        torch.from_numpy(np.concatenate([getattr(tiles, name) for tiles in batches])).to(predictor.device)
        for name in ("image", "temporal_coords", "location_coords")
    )
    with inference_autocast(predictor.device, predictor.settings.precision):
        logits: Array = predictor.compute(image, temporal_coords, location_coords).float().cpu().numpy()
    return logits
