"""Predict with a network in another process: tiles are sent to a replica that holds it, two batches in advance."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle
from torch import Tensor, nn

from instageo.model.chips.sample import Sample
from instageo.model.inference.blending import TileOutputs, predict_tiles
from instageo.model.inference.predictor import FLOAT_BYTES, Predictor
from instageo.serving.access.admission import TIME_OVER, current_place
from instageo.serving.errors import WHEN_LESS_BUSY, WHEN_REPLICA_IS_FREE, HTTPProblem
from instageo.serving.replicas.model_replica import TileBatch, TileLogits

RETRY_PAUSE_S = 0.2
"""Seconds before a call is repeated whose replica has died."""

BATCHES_AHEAD = 2
"""Batches of a request's tiles that are on their way to a replica while it computes another."""


class RemotePredictor(Predictor):
    """A predictor whose network is in another process, which computes batches of tiles while others are averaged."""

    def predict_tiles(self, samples: Sequence[Sample]) -> list[TileOutputs]:
        """Return the outputs for decoded chips, averaged where they have several tiles."""
        return predict_tiles(partial(self.forward, in_place=True), samples, self.tiling, BATCHES_AHEAD)

    def memory_for(self, layers: int, rows: int, columns: int, value_bytes: int) -> int:
        """Return about how many bytes an image, its prediction, and its tiles on their way to a replica take."""
        down, across = self.tiling.axis(rows), self.tiling.axis(columns)
        tiles = min(len(down.starts) * len(across.starts), (1 + BATCHES_AHEAD) * self.tiling.batch_size)
        values = (len(self.settings.dataloader.bands or ()) or layers) + self.task.num_outputs
        image = super().memory_for(layers, rows, columns, value_bytes)
        return image + tiles * down.size * across.size * values * FLOAT_BYTES


class RemoteNetwork(nn.Module):
    """Stands in for a network, and sends normalised tiles to a replica that holds it.

    Args:
        handle: Handle of the deployment of `ModelProcess`.
        model: Name of the model.
        deadline: When to give up, by `time.monotonic`.
        observe_tiles: Called with the number of tiles in the same forward pass.
    """

    def __init__(
        self, handle: DeploymentHandle[Any], model: str, deadline: float, observe_tiles: Callable[[int], None]
    ) -> None:
        super().__init__()
        self.handle = handle.options(multiplexed_model_id=model)
        self.model, self.deadline, self.observe_tiles = model, deadline, observe_tiles
        self.place = current_place.get()  # of the request, which other threads than its own do not know

    def forward(self, image: Tensor, temporal_coords: Tensor, location_coords: Tensor) -> Tensor:
        """Return the logits of tiles (B, C, T, h, w); see `call_replica`."""
        if self.place is not None:
            self.place.check()
        tiles = TileBatch(self.model, image.numpy(), temporal_coords.numpy(), location_coords.numpy())
        output: TileLogits = call_replica(lambda: self.handle.compute.remote(tiles), self.deadline)
        self.observe_tiles(output.tiles_in_pass)
        return torch.from_numpy(output.logits)


def call_replica(send: Callable[[], Any], deadline: float) -> Any:
    """Send a call to a replica and return its result; send it again if the replica dies or is still starting.

    Raises:
        HTTPProblem: Too many calls are waiting (429), or no result arrives before the deadline (503).
    """
    while (remaining := deadline - time.monotonic()) > 0:
        try:
            return send().result(timeout_s=remaining)
        except BackPressureError as error:
            raise HTTPProblem(429, "the server is busy; try again in a moment", WHEN_REPLICA_IS_FREE) from error
        except TimeoutError:
            break
        except TaskCancelledError as error:  # Ray Serve ends all that a request calls when its client has gone
            raise HTTPProblem(503, "the client has gone") from error
        except (RayActorError, DeploymentUnavailableError, RayServeException):
            time.sleep(RETRY_PAUSE_S)
    raise HTTPProblem(503, TIME_OVER, WHEN_LESS_BUSY)
