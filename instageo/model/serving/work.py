"""From an image to an answer: the part of the front that is no HTTP."""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from ray.serve.handle import DeploymentHandle

from instageo.errors import InstaGeoError, RasterError
from instageo.model.assemble import chip_format
from instageo.model.decoding import read_chip
from instageo.model.layout import band_names
from instageo.model.predictor import Predictor
from instageo.model.serving import answers
from instageo.model.serving.answers import KINDS, Format
from instageo.model.serving.limits import Serving
from instageo.model.serving.meter import Meter
from instageo.model.serving.networks import Description
from instageo.model.serving.problems import Refused
from instageo.model.serving.remote import RemoteNetwork, ask, front_predictor, front_settings
from instageo.model.serving.results import TILE, Results
from instageo.model.serving.uploads import check
from instageo.model.tasks.predictions import Prediction, ValuePrediction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """Bytes of a media type."""

    content: bytes
    kind: str
    name: str


class Worker:
    """Predicts images by networks in other processes."""

    def __init__(self, handle: DeploymentHandle[Any], serving: Serving, meter: Meter) -> None:
        self.handle, self.serving, self.meter = handle, serving, meter
        self.results = Results(serving.limits.results_mb * 1_000_000)
        self.known: dict[str, Description] = {}
        self.lock = Lock()

    def description(self, model: str, end: float | None = None) -> Description:
        """What there is to know of a model, loaded if need be.

        Raises:
            Refused: There is no such model (404), or it cannot be loaded (503).
        """
        if model not in self.serving.models:
            raise Refused(404, f"there is no model '{model}'; there are {', '.join(self.serving.models)}")
        with self.lock:
            found = self.known.get(model)
        if found is None:
            end = time.monotonic() + self.serving.limits.timeout_s if end is None else end
            handle = self.handle.options(multiplexed_model_id=model)
            try:
                told: Description = ask(lambda: handle.describe.remote(model), end)
            except InstaGeoError as error:  # of the process that loads it
                log.error("%s: %s", model, error)
                raise Refused(503, f"the model '{model}' cannot be loaded; the server's log tells why") from error
            found = replace(told, settings=front_settings(told, self.serving.batch_tiles))
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
        check(path, self.serving.limits)
        network = RemoteNetwork(self.handle, model, end, self.meter.tiles.observe)
        told = self.description(model, end)
        predictor = front_predictor(told.settings, network, told.metrics)
        try:
            yield predictor, predictor.predict(path)
        except RasterError as error:
            raise Refused(422, str(error).replace(str(path), "the image")) from error
        finally:
            self.meter.seconds.observe(time.monotonic() - began)

    def answer(self, model: str, path: Path, kind: Format, *, probabilities: bool) -> Answer:
        """A file's prediction in one of the formats."""
        with self.predicting(model, path) as (predictor, prediction):
            name = f"prediction.{kind}"
            if kind is Format.npy:
                return Answer(answers.as_npy(prediction, probabilities=probabilities), KINDS[kind], name)
            if predictor.task.per_chip:
                raise Refused(422, f"the model '{model}' tells of chips as a whole; ask for format=json or npy")
            if kind is Format.png:
                return Answer(answers.as_png(answers.picture(predictor, prediction)), KINDS[kind], name)
            return Answer(answers.as_tif(predictor, prediction, probabilities=probabilities), KINDS[kind], name)

    def summary(self, model: str, path: Path) -> dict[str, object]:
        """Counts and areas of a file's prediction."""
        with self.predicting(model, path) as (predictor, prediction):
            return answers.summary(predictor, prediction, model)

    def show(self, model: str, path: Path) -> dict[str, object]:
        """The summary, and where the page finds pictures and the map."""
        with self.predicting(model, path) as (predictor, prediction):
            chip = read_chip(path, chip_format(predictor.settings))
            told = answers.summary(predictor, prediction, model)
            pictures = {"image": answers.view(chip.image, chip.valid, band_names(predictor.settings))}
            content = None
            if not predictor.task.per_chip:
                pictures["prediction"] = answers.picture(predictor, prediction)
                if isinstance(prediction, ValuePrediction):
                    told["ramp"] = answers.ramp(prediction)
                content = answers.as_tif(predictor, prediction, probabilities=False)
            return told | {"tile": TILE, **asdict(self.results.keep(pictures, content))}


@contextmanager
def scratch() -> Iterator[Path]:
    """A place for one image, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="instageo-") as folder:
        yield Path(folder) / "image.tif"
