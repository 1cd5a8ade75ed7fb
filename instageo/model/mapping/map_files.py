"""The raster files of a map: classes or values, and on request probabilities, confidence and spread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.errors import ConfigError
from instageo.model.figures.colors import class_colors
from instageo.model.tasks.base import Task
from instageo.model.tasks.predictions import ClassPrediction, RegressionPrediction
from instageo.raster.map_files.cog_join import LayerScale
from instageo.raster.map_files.layout import MapLayout
from instageo.raster.map_files.probabilities import PROBABILITY_SCALE, encode_probabilities
from instageo.raster.writing import ClassLegend

MAP = "map"
"""Kind of the file that holds the classes or values themselves."""

Spread = NDArray[np.float32] | None
Encode = Callable[["PredictedRows"], NDArray[np.generic]]


@dataclass(frozen=True)
class PredictedRows:
    """Some rows of a map.

    Attributes:
        prediction: Classes and probabilities, or values.
        spread: Standard deviation of an ensemble's predictions at each pixel, (h, w), of the probability of the chosen
            class or of the value; None if it is not wanted.
    """

    prediction: ClassPrediction | RegressionPrediction
    spread: Spread = None


@dataclass(frozen=True)
class MapFile:
    """One raster file of a map.

    Attributes:
        kind: What it holds: `map`, `probabilities`, `confidence` or `spread`.
        layout: Its size, type and pieces.
        encode: Makes its layers (L, h, w) of predicted rows.
        band_names: Names of its layers.
        legend: Names and colours of classes.
        scale: Scale tag of its layers.
    """

    kind: str
    layout: MapLayout
    encode: Encode
    band_names: tuple[str, ...]
    legend: ClassLegend | None = None
    scale: float = 1.0

    @property
    def scales(self) -> list[LayerScale]:
        """Scale tag of each layer; empty without."""
        return [] if self.scale == 1 else [LayerScale(self.scale)] * self.layout.layers

    def path(self, output: Path) -> Path:
        """Return where the file is written, from the path of the map."""
        return output if self.kind == MAP else output.with_name(f"{output.stem}_{self.kind}.tif")


@dataclass(frozen=True)
class WantedLayers:
    """What a map holds beyond classes or values.

    Attributes:
        probabilities: Whether the probability of each class is written.
        confidence: Whether the probability of the chosen class is written.
        spread: Whether the standard deviation over the predictions of an ensemble is written.
    """

    probabilities: bool = False
    confidence: bool = False
    spread: bool = False


def plan_map_files(
    task: Task, colors: Sequence[Sequence[int]] | None, shape: tuple[int, int], num_panels: int, wanted: WantedLayers
) -> list[MapFile]:
    """Return the files of a map, that of classes or values first.

    Args:
        task: Gives the outputs their meaning.
        colors: Red, green, blue of each class; None for the usual ones of their names.
        shape: Rows and columns of the scene.
        num_panels: Column panels that it is made in.
        wanted: What is written beyond classes or values.

    Raises:
        ConfigError: The model predicts no map, or probabilities are wanted for regression.
    """
    if task.image_level:
        raise ConfigError("the model predicts one value per chip, not a map; use mode=chip_inference")
    example = task.average_to_prediction(torch.zeros(task.num_outputs, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    if isinstance(example, ClassPrediction):
        return _class_files(example, colors, shape, num_panels, wanted)
    if not isinstance(example, RegressionPrediction):
        raise ConfigError("the model predicts several labels per chip, not a map; use mode=chip_inference")
    if wanted.probabilities or wanted.confidence:
        raise ConfigError("the model predicts values, which have no probabilities; leave out probabilities, confidence")
    names = ("value", *(f"quantile_{level:g}" for level in example.quantiles))
    files = [MapFile(MAP, MapLayout.of_values(*shape, len(names), num_panels=num_panels), _values, names)]
    if wanted.spread:
        files.append(MapFile("spread", MapLayout.of_values(*shape, num_panels=num_panels), _value_spread, ("spread",)))
    return files


def class_legend(task: Task, colors: Sequence[Sequence[int]] | None) -> ClassLegend | None:
    """Return names and colours of the classes of a task's maps; None for values."""
    return plan_map_files(task, colors, (1, 1), 1, WantedLayers())[0].legend


def _class_files(
    example: ClassPrediction,
    colors: Sequence[Sequence[int]] | None,
    shape: tuple[int, int],
    num_panels: int,
    wanted: WantedLayers,
) -> list[MapFile]:
    names, count = example.class_names, len(example.probabilities)
    legend = ClassLegend(names, class_colors(colors, names))
    layout = MapLayout.of_classes(*shape, dtype=example.classes.dtype.name, num_panels=num_panels)
    one = MapLayout.of_probabilities(*shape, 1, num_panels=num_panels)
    all_classes = MapLayout.of_probabilities(*shape, count, num_panels=num_panels)
    probability_names = tuple(f"probability_{name}" for name in names)
    files = [MapFile(MAP, layout, _classes, ("class",), legend)]
    if wanted.probabilities:
        files.append(MapFile("probabilities", all_classes, _probabilities, probability_names, scale=PROBABILITY_SCALE))
    if wanted.confidence:
        files.append(MapFile("confidence", one, _confidence, ("confidence",), scale=PROBABILITY_SCALE))
    if wanted.spread:
        files.append(MapFile("spread", one, _probability_spread, ("spread",), scale=PROBABILITY_SCALE))
    return files


def _classes(rows: PredictedRows) -> NDArray[np.generic]:
    return _as_classes(rows).classes[None]


def _probabilities(rows: PredictedRows) -> NDArray[np.generic]:
    prediction = _as_classes(rows)
    return encode_probabilities(prediction.probabilities, prediction.valid)


def _confidence(rows: PredictedRows) -> NDArray[np.generic]:
    prediction = _as_classes(rows)
    return encode_probabilities(prediction.probabilities.max(axis=0, keepdims=True), prediction.valid)


def _probability_spread(rows: PredictedRows) -> NDArray[np.generic]:
    return encode_probabilities(_spread(rows), rows.prediction.valid)


def _values(rows: PredictedRows) -> NDArray[np.generic]:
    prediction = rows.prediction
    if not isinstance(prediction, RegressionPrediction):
        raise TypeError(f"{type(prediction).__name__} has no values")
    return np.stack([prediction.values, *prediction.quantiles.values()])


def _value_spread(rows: PredictedRows) -> NDArray[np.generic]:
    return np.where(rows.prediction.valid, _spread(rows), np.float32(np.nan))


def _as_classes(rows: PredictedRows) -> ClassPrediction:
    if not isinstance(rows.prediction, ClassPrediction):
        raise TypeError(f"{type(rows.prediction).__name__} has no classes")
    return rows.prediction


def _spread(rows: PredictedRows) -> NDArray[np.float32]:
    if rows.spread is None:
        raise ValueError("the spread was not computed")
    return rows.spread[None]
