"""Turn an image into a response body, without HTTP: tile, have replicas compute, blend, convert."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

from ray.serve.handle import DeploymentHandle

from instageo.errors import DataError, InstaGeoError, LayerError, OutOfMemoryError, RasterError
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.image import read_chip
from instageo.model.inference.predictor import Predictor
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import band_names
from instageo.model.tasks.predictions import Prediction, RegressionPrediction
from instageo.runtime.memory import explain_memory_errors
from instageo.serving import formats
from instageo.serving.access.admission import Admission, current_place
from instageo.serving.errors import HTTPProblem
from instageo.serving.formats import MEDIA_TYPES, OutputFormat
from instageo.serving.freed_memory import DelayedMemoryReturn
from instageo.serving.inputs import check_image
from instageo.serving.metrics import ServerMetrics
from instageo.serving.replicas.model_replica import ModelDescription
from instageo.serving.replicas.remote_predictor import RemoteNetwork, RemotePredictor, call_replica
from instageo.serving.settings import ServerSettings
from instageo.serving.tiles import TILE_SIZE, ResultCache

log = logging.getLogger(__name__)

LARGE_IMAGE_BYTES = 50_000_000
"""Memory for an image that is not kept for the next one."""


@dataclass(frozen=True)
class ResponseBody:
    """The content of a response.

    Attributes:
        content: Its bytes.
        media_type: Its media type.
        file_name: Name under which a browser saves it.
    """

    content: bytes
    media_type: str
    file_name: str


class PredictionService:
    """Predicts images with networks in other processes.

    Args:
        handle: Handle of the deployment of `ModelProcess`.
        settings: Settings of the server.
        metrics: Counters to update.
        admission: Memory for images.
        results: Results of the page.
    """

    def __init__(
        self,
        handle: DeploymentHandle[Any],
        settings: ServerSettings,
        metrics: ServerMetrics,
        admission: Admission,
        results: ResultCache,
    ) -> None:
        self.handle, self.settings, self.metrics, self.admission = handle, settings, metrics, admission
        self.results = results
        self._descriptions: dict[str, ModelDescription] = {}
        self._said: dict[str, set[str]] = {model: set() for model in settings.models}
        self._lock = Lock()
        self._memory_return = DelayedMemoryReturn()

    def predict(self, model: str, path: Path, output: OutputFormat, *, probabilities: bool) -> ResponseBody:
        """Return the prediction for a file in a format other than `json`.

        Raises:
            HTTPProblem: The image or the format does not fit (413, 415, 422), or no result arrives in time (503).
        """
        with self._predicted(model, path) as (predictor, prediction):
            if output is OutputFormat.npy:
                content = formats.encode_npy(prediction, probabilities=probabilities)
            elif predictor.task.image_level:
                raise HTTPProblem(
                    422, f"the model '{model}' predicts one label per image; use format=json or format=npy"
                )
            elif output is OutputFormat.png:
                content = formats.encode_png(formats.render_prediction(predictor, prediction))
            else:
                content = formats.encode_tif(predictor, prediction, probabilities=probabilities)
        return ResponseBody(content, MEDIA_TYPES[output], f"prediction.{output}")

    def summarize(self, model: str, path: Path) -> dict[str, object]:
        """Return pixels and areas of the prediction for a file; raises as `predict` does."""
        with self._predicted(model, path) as (predictor, prediction):
            return formats.summarize_prediction(predictor, prediction, model) | predictor.layers_of(path)

    def show(self, model: str, path: Path) -> dict[str, object]:
        """Keep pictures and the map of a file for the page, and return their names with the summary."""
        with self._predicted(model, path) as (predictor, prediction):
            chip = read_chip(path, chip_format_from_settings(predictor.settings))
            summary = formats.summarize_prediction(predictor, prediction, model) | predictor.layers_of(path)
            pictures = {"image": formats.render_image(chip.image, chip.valid, band_names(predictor.settings))}
            map_content = None
            if not predictor.task.image_level:
                pictures["prediction"] = formats.render_prediction(predictor, prediction)
                if isinstance(prediction, RegressionPrediction):
                    summary["ramp"] = formats.describe_color_ramp(prediction)
                map_content = formats.encode_tif(predictor, prediction, probabilities=False)
            return summary | {"tile": TILE_SIZE, **asdict(self.results.add(pictures, map_content))}

    def describe(self, model: str, deadline: float | None = None) -> ModelDescription:
        """Return the description of a model, which is loaded if need be.

        The settings in it are those for tiles that are computed elsewhere: 32-bit numbers, and as many tiles at a time
        as a forward pass takes.

        Args:
            model: Name of the model.
            deadline: When to give up, by `time.monotonic`; None for the server's time limit from now.

        Raises:
            HTTPProblem: The model does not exist (404), or it cannot be loaded (503).
        """
        if model not in self.settings.models:
            raise HTTPProblem(404, f"unknown model '{model}'; expected one of {', '.join(self.settings.models)}")
        with self._lock:
            description = self._descriptions.get(model)
        if description is None:
            deadline = time.monotonic() + self.settings.limits.timeout_s if deadline is None else deadline
            handle = self.handle.options(multiplexed_model_id=model)
            try:
                description = cast(ModelDescription, call_replica(lambda: handle.describe.remote(model), deadline))
            except InstaGeoError as error:  # raised where the model is loaded
                log.error("%s: %s", model, error)
                raise HTTPProblem(503, f"the model '{model}' cannot be loaded; see the server's log") from error
            overrides = {"train.batch_size": self.settings.batch_tiles, "precision": "32-true"}
            description = replace(description, settings=update_settings(description.settings, overrides))
            with self._lock:
                self._descriptions[model] = description
        return description

    @contextmanager
    def _predicted(self, model: str, path: Path) -> Iterator[tuple[Predictor, Prediction]]:
        """Yield a predictor and its prediction for a file, and measure the time until the block ends."""
        start, slot = time.monotonic(), current_place.get()
        deadline = start + self.settings.limits.timeout_s if slot is None else slot.deadline
        header = check_image(path, self.settings.limits)
        network = RemoteNetwork(self.handle, model, deadline, self.metrics.tiles.observe)
        description = self.describe(model, deadline)
        predictor = RemotePredictor(
            cast(Any, network),
            description.settings,
            description.metrics,
            value_range=description.value_range,
            said=self._said[model],
        )
        try:
            with self._memory(predictor.memory_for(*header), deadline):
                with explain_memory_errors("the image", "send a smaller one"):
                    prediction = predictor.predict(path)
                yield predictor, prediction
        except OutOfMemoryError as error:
            raise HTTPProblem(
                413, f"the server has too little memory for this image: {_without_path(error, path)}"
            ) from error
        except (RasterError, DataError) as error:
            raise HTTPProblem(422, _without_path(error, path)) from error
        finally:
            self.metrics.seconds.observe(time.monotonic() - start)

    @contextmanager
    def _memory(self, needed: int, deadline: float) -> Iterator[None]:
        """Reserve memory for an image during this block, and have that of a large one returned soon afterwards."""
        with self.admission.memory(needed, deadline):
            try:
                yield
            finally:
                if needed >= LARGE_IMAGE_BYTES:
                    self._memory_return.request()


def _without_path(error: InstaGeoError, path: Path) -> str:
    """Return a message with the temporary name of the upload replaced."""
    sentence = error.problem if isinstance(error, LayerError) else str(error)
    return sentence.replace(str(path), "the image")
