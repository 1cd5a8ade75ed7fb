"""Chips through a network one by one, the next read and the one before written meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.errors import InstaGeoError
from instageo.model.inference.predictor import ImageWithGrid, Predictor
from instageo.model.tasks.predictions import Prediction
from instageo.parallel import prefetch
from instageo.raster.writing import unfinished_files
from instageo.stores.download import sha256_file
from instageo.table import Row


@dataclass(frozen=True)
class PredictionItem:
    """A chip to predict.

    Attributes:
        row: Of the table.
        output: Where its map goes; None for chips as a whole, which become records.
    """

    row: Row
    output: Path | None


@dataclass(frozen=True)
class PredictionOutcome:
    """What became of a chip.

    Attributes:
        input: Where the chip lies, as its row says.
        error: Why it could not be predicted; None if it was.
        seen: Whether any pixel of it was valid.
        size: Of its map, bytes.
        sha256: Of its map.
        record: What is said of a chip as a whole, as columns of a table.
    """

    input: str
    error: str | None = None
    seen: bool = True
    size: int | None = None
    sha256: str | None = None
    record: dict[str, str] = field(default_factory=dict)


def predict_items(predictor: Predictor, items: Sequence[PredictionItem], ahead: int) -> Iterator[PredictionOutcome]:
    """The outcome of each item, in their order; one that cannot be predicted stops no other.

    The network computes in the calling thread; `ahead` threads read so many chips before their turn, one writes.
    """

    def read(item: PredictionItem) -> tuple[PredictionItem, ImageWithGrid | InstaGeoError]:
        try:
            return item, predictor.read_row(item.row)
        except InstaGeoError as error:
            return item, error

    def predict(
        item: PredictionItem, image: ImageWithGrid | InstaGeoError
    ) -> tuple[PredictionItem, Prediction | InstaGeoError]:
        return item, image if isinstance(image, InstaGeoError) else predictor.predict_image(image)

    def write(given: tuple[PredictionItem, Prediction | InstaGeoError]) -> PredictionOutcome:
        item, prediction = given
        try:
            return _kept(predictor, item, prediction)
        except InstaGeoError as error:
            return PredictionOutcome(item.row.input, error=str(error))

    predictions = (predict(*each) for each in prefetch(read, items, ahead))
    yield from prefetch(write, predictions, min(ahead, 1))


def _kept(predictor: Predictor, item: PredictionItem, prediction: Prediction | InstaGeoError) -> PredictionOutcome:
    if isinstance(prediction, InstaGeoError):
        raise prediction
    seen = bool(prediction.valid.any())
    if item.output is None:
        return PredictionOutcome(item.row.input, seen=seen, record=predictor.task.record(prediction))
    predictor.task.write(prediction, item.output)
    return PredictionOutcome(
        item.row.input, seen=seen, size=item.output.stat().st_size, sha256=sha256_file(item.output)
    )


def remove_leftovers(items: Sequence[PredictionItem]) -> None:
    """Remove half-written files of processes that were killed while they wrote these items."""
    outputs = {item.output for item in items if item.output is not None}
    for folder in {output.parent for output in outputs}:
        for path, output in unfinished_files(folder).items():
            if output in outputs:
                path.unlink(missing_ok=True)
