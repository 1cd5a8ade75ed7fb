"""Networks in processes of their own: loaded when asked for, tiles of different requests computed together."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import serve

from instageo.model.predictor import HALF, Predictor, load_model
from instageo.model.serving.limits import Serving
from instageo.model.settings import Settings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tiles:
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
class Computed:
    """What a network gives for tiles.

    Attributes:
        logits: Shape (B, K, h, w), or (B, K, 1, 1) of chips as a whole.
        together: Tiles that were computed in the same pass.
    """

    logits: Array
    together: int


@dataclass(frozen=True)
class Description:
    """What the front knows of a model: all but its network."""

    settings: Settings
    metrics: dict[str, float]
    parameters: int


class Networks:
    """One process's networks."""

    def __init__(self, serving: Serving) -> None:
        self.sources = serving.models
        self.thread = ThreadPoolExecutor(1)  # one pass at a time; the next batch gathers meanwhile

        async def load(model: str) -> Predictor:
            return await asyncio.get_running_loop().run_in_executor(self.thread, load_model, self.sources[model])

        async def gather(requests: list[Tiles]) -> list[Computed]:
            networks = {name: await self.network(name) for name in {tiles.model for tiles in requests}}
            return await asyncio.get_running_loop().run_in_executor(self.thread, _compute, networks, requests)

        # Ray's decorators, here because their numbers are settings.
        self.network = serve.multiplexed(max_num_models_per_replica=serving.loaded)(load)
        wait = serving.batch_wait_ms / 1000
        self.gathered = serve.batch(
            max_batch_size=serving.batch_tiles, batch_wait_timeout_s=wait, batch_size_fn=_tiles
        )(gather)  # fmt: skip

    async def describe(self, model: str) -> Description:
        """What there is to know of a model."""
        found = await self.network(model)
        count = sum(parameter.numel() for parameter in found.net.parameters())
        return Description(found.settings, found.metrics, count)

    async def compute(self, tiles: Tiles) -> Computed:
        """What a network gives for tiles of one request."""
        await self.network(tiles.model)
        found: Computed = await self.gathered(tiles)
        return found


def _tiles(requests: list[Tiles]) -> int:
    return sum(len(tiles.image) for tiles in requests)


def _compute(networks: dict[str, Predictor], requests: Sequence[Tiles]) -> list[Computed]:
    """Requests of the same network and shape in one pass each."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, tiles in enumerate(requests):
        groups.setdefault((tiles.model, tiles.image.shape[1:]), []).append(place)
    results: dict[int, Computed] = {}
    for (model, _), places in groups.items():
        logits = _pass(networks[model], [requests[place] for place in places])
        ends = np.cumsum([len(requests[place].image) for place in places])
        for place, part in zip(places, np.split(logits, ends[:-1]), strict=True):
            results[place] = Computed(part, len(logits))
    return [results[place] for place in range(len(requests))]


def _pass(predictor: Predictor, requests: Sequence[Tiles]) -> Array:
    image, time, place = (
        torch.from_numpy(np.concatenate([getattr(tiles, name) for tiles in requests])).to(predictor.device)
        for name in ("image", "time", "place")
    )
    kind = HALF.get(predictor.settings.precision)
    with torch.inference_mode(), torch.autocast(predictor.device.type, kind, enabled=kind is not None):
        logits: Array = predictor.net(image, time, place).float().cpu().numpy()
    return logits
