"""From an image to an answer: the part of the front that is no HTTP."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

import torch
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle
from torch import Tensor, nn

from instageo.errors import InstaGeoError, RasterError
from instageo.model.chips.factory import chip_format_from_settings
from instageo.model.chips.image import read_chip
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.resolve import band_names
from instageo.model.tasks.predictions import Prediction, RegressionPrediction
from instageo.serving import formats
from instageo.serving.errors import HTTPProblem
from instageo.serving.formats import FORMATS, OutputFormat
from instageo.serving.inputs import check_image
from instageo.serving.metrics import ServerMetrics
from instageo.serving.replicas import ModelDescription, TileBatch, TileLogits
from instageo.serving.settings import ServerSettings
from instageo.serving.tiles import TILE, ResultCache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResponseBody:
    """Bytes of a media type."""

    content: bytes
    kind: str
    name: str


class PredictionService:
    """Predicts images by networks in other processes."""

    def __init__(self, handle: DeploymentHandle[Any], serving: ServerSettings, meter: ServerMetrics) -> None:
        self.handle, self.serving, self.meter = handle, serving, meter
        self.results = ResultCache(serving.limits.results_mb * 1_000_000)
        self.known: dict[str, ModelDescription] = {}
        self.lock = Lock()

    def description(self, model: str, end: float | None = None) -> ModelDescription:
        """What there is to know of a model, loaded if need be.

        Raises:
            Refused: There is no such model (404), or it cannot be loaded (503).
        """
        if model not in self.serving.models:
            raise HTTPProblem(404, f"there is no model '{model}'; there are {', '.join(self.serving.models)}")
        with self.lock:
            found = self.known.get(model)
        if found is None:
            end = time.monotonic() + self.serving.limits.timeout_s if end is None else end
            handle = self.handle.options(multiplexed_model_id=model)
            try:
                told: ModelDescription = call_replica(lambda: handle.describe.remote(model), end)
            except InstaGeoError as error:  # of the process that loads it
                log.error("%s: %s", model, error)
                raise HTTPProblem(503, f"the model '{model}' cannot be loaded; the server's log tells why") from error
            found = replace(told, settings=proxy_settings(told, self.serving.batch_tiles))
            with self.lock:
                self.known[model] = found
        return found

    @contextmanager
    def predicting(self, model: str, path: Path) -> Iterator[tuple[Predictor, Prediction]]:
        """A model and what it says of a file.

        Raises:
            Refused: The file is not taken (413, 415, 422), or there is no result in time (503).
        """
        began = time.monotonic()
        end = began + self.serving.limits.timeout_s
        check_image(path, self.serving.limits)
        network = RemoteNetwork(self.handle, model, end, self.meter.tiles.observe)
        told = self.description(model, end)
        predictor = proxy_predictor(told.settings, network, told.metrics)
        try:
            yield predictor, predictor.predict(path)
        except RasterError as error:
            raise HTTPProblem(422, str(error).replace(str(path), "the image")) from error
        finally:
            self.meter.seconds.observe(time.monotonic() - began)

    def answer(self, model: str, path: Path, kind: OutputFormat, *, probabilities: bool) -> ResponseBody:
        """A file's prediction in one of the formats."""
        with self.predicting(model, path) as (predictor, prediction):
            name = f"prediction.{kind}"
            if kind is OutputFormat.npy:
                return ResponseBody(formats.as_npy(prediction, probabilities=probabilities), FORMATS[kind], name)
            if predictor.task.image_level:
                raise HTTPProblem(422, f"the model '{model}' tells of chips as a whole; ask for format=json or npy")
            if kind is OutputFormat.png:
                return ResponseBody(formats.as_png(formats.picture(predictor, prediction)), FORMATS[kind], name)
            return ResponseBody(formats.as_tif(predictor, prediction, probabilities=probabilities), FORMATS[kind], name)

    def summary(self, model: str, path: Path) -> dict[str, object]:
        """Counts and areas of a file's prediction."""
        with self.predicting(model, path) as (predictor, prediction):
            return formats.summary(predictor, prediction, model)

    def show(self, model: str, path: Path) -> dict[str, object]:
        """The summary, and where the page finds pictures and the map."""
        with self.predicting(model, path) as (predictor, prediction):
            chip = read_chip(path, chip_format_from_settings(predictor.settings))
            told = formats.summary(predictor, prediction, model)
            pictures = {"image": formats.view(chip.image, chip.valid, band_names(predictor.settings))}
            content = None
            if not predictor.task.image_level:
                pictures["prediction"] = formats.picture(predictor, prediction)
                if isinstance(prediction, RegressionPrediction):
                    told["ramp"] = formats.ramp(prediction)
                content = formats.as_tif(predictor, prediction, probabilities=False)
            return told | {"tile": TILE, **asdict(self.results.keep(pictures, content))}


@contextmanager
def scratch_file() -> Iterator[Path]:
    """A place for one image, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="instageo-") as folder:
        yield Path(folder) / "image.tif"


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
        found: TileLogits = call_replica(
            lambda: self.handle.compute.remote(
                TileBatch(self.model, image.numpy(), time_coords.numpy(), place.numpy())
            ),
            self.end,
        )
        self.note(found.together)
        return torch.from_numpy(found.logits)


def call_replica(send: Callable[[], Any], end: float) -> Any:
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
            raise HTTPProblem(
                429, "the server has too much to do; come back in a moment", {"Retry-After": "2"}
            ) from error
        except TimeoutError:
            left = 0
        except (RayActorError, DeploymentUnavailableError, RayServeException):
            time.sleep(PAUSE_S)
        if left <= 0:
            raise HTTPProblem(503, "no result within the time that this server gives a request", {"Retry-After": "10"})


def proxy_settings(told: ModelDescription, most: int) -> Settings:
    """The settings of a model whose network is elsewhere: numbers of 32 bits, and no more tiles than go together."""
    tiles = min(told.settings.train.batch_size, most)
    return update_settings(told.settings, {"train.batch_size": tiles, "precision": "32-true"})


def proxy_predictor(settings: Settings, network: RemoteNetwork, metrics: dict[str, float]) -> Predictor:
    """A predictor whose network is elsewhere."""
    return Predictor(cast(Any, network), settings, metrics)
