"""Predict chips one after the other; reading the next and writing the previous overlap with the network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from instageo.errors import InstaGeoError
from instageo.files import find_unfinished
from instageo.model.figures.qgis_style import style_path
from instageo.model.inference.predictor import MEMORY_ADVICE, ImageWithGrid, Predictor
from instageo.model.mapping.large_chips import is_large, map_chip
from instageo.model.mapping.map_scene import SceneMap
from instageo.model.tasks.predictions import Prediction
from instageo.runtime.memory import explain_memory_errors
from instageo.runtime.parallel import prefetch
from instageo.stores.download import sha256_file
from instageo.table import Row

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PredictionItem:
    """A chip to predict.

    Attributes:
        row: Its row of the table.
        output: Where its map is written; None for image-level predictions, which become records.
    """

    row: Row
    output: Path | None


@dataclass(frozen=True)
class PredictionOutcome:
    """The result of predicting one chip.

    Attributes:
        input: Path or URL of the chip, as in its row.
        error: Why the chip could not be predicted; None if it was.
        any_valid: Whether any pixel of the chip was valid.
        size: Size of its map, bytes.
        sha256: Checksum of its map.
        record: An image-level prediction as columns of a table.
        unlike_training: Bands with values unlike the training chips, `higher` or `lower`, by name.
    """

    input: str
    error: str | None = None
    any_valid: bool = True
    size: int | None = None
    sha256: str | None = None
    record: dict[str, str] = field(default_factory=dict)
    unlike_training: Mapping[str, str] = field(default_factory=dict)


def predict_items(predictor: Predictor, items: Sequence[PredictionItem], ahead: int) -> Iterator[PredictionOutcome]:
    """Yield the outcome of each item in order; an item that cannot be predicted does not stop the others.

    Args:
        predictor: Its network runs in the calling thread.
        items: What to predict.
        ahead: Chips that are read in advance by that many threads. Another thread writes; with 0 there are none.
    """

    def read(item: PredictionItem) -> tuple[PredictionItem, ImageWithGrid | InstaGeoError | None]:
        return item, _attempt(item, partial(read_item, predictor), item)

    def predict(
        item: PredictionItem, image: ImageWithGrid | InstaGeoError | None
    ) -> tuple[PredictionItem, Prediction | SceneMap | InstaGeoError]:
        return item, _attempt(item, partial(_predict, predictor, item), image)

    def write(predicted: tuple[PredictionItem, Prediction | SceneMap | InstaGeoError]) -> PredictionOutcome:
        return write_prediction(predictor, *predicted)

    predictions = (predict(*item_and_image) for item_and_image in prefetch(read, items, ahead))
    yield from prefetch(write, predictions, min(ahead, 1))


def _attempt(
    item: PredictionItem, step: Callable[[Argument], Result], argument: Argument | InstaGeoError
) -> Result | InstaGeoError:
    """Return the result of a step for one chip, or the error that ended this step or an earlier one."""
    if isinstance(argument, InstaGeoError):
        return argument
    try:
        with explain_memory_errors(item.row.input, MEMORY_ADVICE):
            return step(argument)
    except InstaGeoError as error:
        return error


def read_item(predictor: Predictor, item: PredictionItem) -> ImageWithGrid | None:
    """Read a chip; None for one that is so large that it is mapped in strips."""
    return None if item.output is not None and is_large(predictor, item.row) else predictor.read_row(item.row)


def _predict(predictor: Predictor, item: PredictionItem, image: ImageWithGrid | None) -> Prediction | SceneMap:
    if image is not None:
        return predictor.predict_image(image)
    if item.output is None:
        raise ValueError(f"{item.row.input} was not read")
    return map_chip(predictor, item.row, item.output)


def write_prediction(
    predictor: Predictor, item: PredictionItem, prediction: Prediction | SceneMap | InstaGeoError
) -> PredictionOutcome:
    """Write a map, unless it is there already, or return an image-level prediction as a record, or an error."""
    outcome = _attempt(item, partial(_write, predictor, item), prediction)
    return PredictionOutcome(item.row.input, error=str(outcome)) if isinstance(outcome, InstaGeoError) else outcome


def _write(predictor: Predictor, item: PredictionItem, prediction: Prediction | SceneMap) -> PredictionOutcome:
    if isinstance(prediction, SceneMap):
        outcome = PredictionOutcome(
            item.row.input, any_valid=prediction.num_tiles > 0, unlike_training=prediction.unlike_training
        )
        return replace(outcome, size=prediction.path.stat().st_size, sha256=sha256_file(prediction.path))
    outcome = PredictionOutcome(
        item.row.input, any_valid=bool(prediction.valid.any()), unlike_training=prediction.unlike_training
    )
    if item.output is None:
        return replace(outcome, record=predictor.task.to_record(prediction))
    prediction.save(item.output)
    return replace(outcome, size=item.output.stat().st_size, sha256=sha256_file(item.output))


def remove_partial_files(items: Sequence[PredictionItem]) -> None:
    """Remove the half-written outputs of these items, left by processes that were killed while writing."""
    maps = [item.output for item in items if item.output is not None]
    for path in find_unfinished([*maps, *map(style_path, maps)]):
        path.unlink(missing_ok=True)
