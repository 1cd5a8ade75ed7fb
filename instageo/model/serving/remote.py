"""A network in another process as if it were here: reading, tiling and blending are those of every inference."""

import time
from collections.abc import Callable
from typing import Any, cast

import torch
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle
from torch import Tensor, nn

from instageo.model.config import overlay
from instageo.model.predictor import Predictor
from instageo.model.serving.networks import Computed, Description, Tiles
from instageo.model.serving.problems import Refused
from instageo.model.settings import Settings

PAUSE_S = 0.2
"""Before tiles are sent again whose process has died."""


class RemoteNetwork(nn.Module):
    """Sends normalised tiles to the process that holds the network.

    Args:
        handle: Of the deployment of `Networks`.
        model: The network's name.
        end: When to give up, by `time.monotonic`.
        note: Is told how many tiles were computed together.
    """

    def __init__(self, handle: DeploymentHandle[Any], model: str, end: float, note: Callable[[int], None]) -> None:
        super().__init__()
        self.handle = handle.options(multiplexed_model_id=model)
        self.model, self.end, self.note = model, end, note

    def forward(self, image: Tensor, time_coords: Tensor, place: Tensor) -> Tensor:
        """Logits of tiles (B, C, T, h, w); sent again where a process died under them.

        Raises:
            Refused: There is too much to do (429), or no process within the time (503).
        """
        found: Computed = ask(
            lambda: self.handle.compute.remote(Tiles(self.model, image.numpy(), time_coords.numpy(), place.numpy())),
            self.end,
        )
        self.note(found.together)
        return torch.from_numpy(found.logits)


def ask(send: Callable[[], Any], end: float) -> Any:
    """The answer of a process with networks, asked again while processes die and start.

    Raises:
        Refused: There is too much to do (429), or no answer within the time (503).
    """
    while True:
        left = end - time.monotonic()
        try:
            if left > 0:
                return send().result(timeout_s=left)
        except BackPressureError as error:
            raise Refused(429, "the server has too much to do; come back in a moment", {"Retry-After": "2"}) from error
        except TimeoutError:
            left = 0
        except (RayActorError, DeploymentUnavailableError, RayServeException):
            time.sleep(PAUSE_S)
        if left <= 0:
            raise Refused(503, "no result within the time that this server gives a request", {"Retry-After": "10"})


def front_settings(told: Description, most: int) -> Settings:
    """The settings of a model whose network is elsewhere: numbers of 32 bits, and no more tiles than go together."""
    tiles = min(told.settings.train.batch_size, most)
    return overlay(told.settings, {"train.batch_size": tiles, "precision": "32-true"})


def front_predictor(settings: Settings, network: RemoteNetwork, metrics: dict[str, float]) -> Predictor:
    """A predictor whose network is elsewhere."""
    return Predictor(cast(Any, network), settings, metrics)
