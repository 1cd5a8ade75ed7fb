"""Networks in processes of their own: loaded when asked for, tiles of different requests computed together."""

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

from instageo.model.inference.predictor import Predictor, load_model
from instageo.model.networks.device import HALF_PRECISION
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings import Settings
from instageo.serving.batching import BatchQueue
from instageo.serving.settings import ServerSettings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TileBatch:
    """Tiles of one request.

    Attributes:
        model: Name of the network.
        image: Shape (B, C, T, h, w), normalised.
        time: Shape (B, T, 2).
        place: Shape (B, 2).
    """

    model: str
    image: Array
    time: Array
    place: Array


@dataclass(frozen=True)
class TileLogits:
    """What a network gives for tiles.

    Attributes:
        logits: Shape (B, K, h, w), or (B, K, 1, 1) of chips as a whole.
        together: Tiles that were computed in the same pass.
    """

    logits: Array
    together: int


@dataclass(frozen=True)
class ModelDescription:
    """What the front knows of a model: all but its network."""

    settings: Settings
    metrics: dict[str, float]
    parameters: int


class ModelReplica:
    """One process's networks."""

    def __init__(self, serving: ServerSettings) -> None:
        keep_freed_memory()
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // serving.replicas))  # Ray would give it one
        self.sources = serving.models
        self.thread = ThreadPoolExecutor(1)  # loads networks

        async def load(model: str) -> Predictor:
            return await asyncio.get_running_loop().run_in_executor(self.thread, load_model, self.sources[model])

        self.network = serve.multiplexed(max_num_models_per_replica=serving.loaded)(load)
        wait_s = serving.batch_wait_ms / 1000
        self.gathering = BatchQueue(_compute, lambda asked: len(asked[1].image), serving.batch_tiles, wait_s)

    async def describe(self, model: str) -> ModelDescription:
        """What there is to know of a model."""
        found = await self.network(model)
        count = sum(parameter.numel() for parameter in found.net.parameters())
        return ModelDescription(found.settings, found.metrics, count)

    async def compute(self, tiles: TileBatch) -> TileLogits:
        """What a network gives for tiles of one request."""
        network = await self.network(tiles.model)
        return await asyncio.wrap_future(self.gathering.submit((network, tiles)))


def _compute(asked: Sequence[tuple[Predictor, TileBatch]]) -> list[TileLogits]:
    """Requests of the same network and shape in one pass each."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, (_, tiles) in enumerate(asked):
        groups.setdefault((tiles.model, tiles.image.shape[1:]), []).append(place)
    results: dict[int, TileLogits] = {}
    for places in groups.values():
        together = [asked[place][1] for place in places]
        logits = _pass(asked[places[0]][0], together)
        ends = np.cumsum([len(tiles.image) for tiles in together])
        for place, part in zip(places, np.split(logits, ends[:-1]), strict=True):
            results[place] = TileLogits(part, len(logits))
    return [results[place] for place in range(len(asked))]


def _pass(predictor: Predictor, requests: Sequence[TileBatch]) -> Array:
    image, time, place = (
        torch.from_numpy(np.concatenate([getattr(tiles, name) for tiles in requests])).to(predictor.device)
        for name in ("image", "time", "place")
    )
    kind = HALF_PRECISION.get(predictor.settings.precision)
    with torch.inference_mode(), torch.autocast(predictor.device.type, kind, enabled=kind is not None):
        logits: Array = predictor.net(image, time, place).float().cpu().numpy()
    return logits
