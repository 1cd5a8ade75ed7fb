"""Open what a user calls a scene: a raster with all dates, or one raster, product or set of band files for each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

import numpy as np

from instageo.errors import DataError
from instageo.model.chips.dates_and_location import Coordinates, find_chip_coordinates
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.inference.predictor import Predictor
from instageo.model.scenes.date_layers import DateLayers, ReadingOptions, find_layers
from instageo.model.scenes.tiles import SceneInput
from instageo.model.settings.derived import band_names
from instageo.raster.scenes.scene import SceneLayers, open_scene
from instageo.raster.scenes.scene_rows import SceneRows
from instageo.wording import counted


class MapScene(Protocol):
    """What can be mapped."""

    @property
    def name(self) -> str:
        """What the user calls it, for messages."""

    def open(self, predictor: Predictor, options: ReadingOptions) -> SceneInput:
        """Open it for a model.

        Raises:
            InstaGeoError: It cannot be read, or does not fit the model.
        """


@dataclass(frozen=True)
class SceneFiles:
    """What a user names as one scene.

    Attributes:
        name: For messages, and for the names of outputs.
        dates: Raster, product folder or archive, or single-band files by band, for each date; one raster may hold all
            dates.
        days: Acquisition dates; empty to take those of products and files.
        lat_lon: Latitude and longitude of all tiles, degrees; None for the centre of each.
    """

    name: str
    dates: tuple[str | Mapping[str, str], ...]
    days: tuple[date, ...] = ()
    lat_lon: tuple[float, float] | None = None

    def open(self, predictor: Predictor, options: ReadingOptions) -> SceneInput:
        """Open the scene for a model; see `open_scene_input`."""
        return open_scene_input(self, predictor, options)


def open_scene_input(files: SceneFiles, predictor: Predictor, options: ReadingOptions) -> SceneInput:
    """Open a scene for a model.

    Raises:
        RasterError: A file is missing or unreadable, or the files do not fit together.
        DataError: The scene lacks a band or a date, or a band exists twice.
        ConfigError: An option does not fit the files.
    """
    chip_format, names = chip_format_from_settings(predictor.settings), band_names(predictor.settings)
    layers = [
        find_layers(each, names, chip_format, options, quality=quality)
        for each, quality in zip(files.dates, _pad(options.quality, len(files.dates)), strict=True)
    ]
    sources = [source for each in layers for source in each.sources]
    scaling = tuple(pair for each in layers for pair in each.scaling)
    num_dates, expected = len(sources) // len(names), chip_format.temporal_dim
    if num_dates != expected:
        raise DataError(
            f"{files.name}: has {counted(num_dates, 'date')}, but the model was trained on {expected}; name a raster, "
            f"product or set of bands for each of {counted(expected, 'date')}, in their order"
        )
    no_data = _common_no_data(layers, files.name)
    quality = [each.quality for each in layers] * (num_dates if len(layers) == 1 else 1)
    scene = open_scene(
        sources,
        num_dates,
        quality=tuple(quality),
        resolution=options.resolution,
        no_data_value=no_data,
    )
    days = files.days or tuple(each.day for each in layers if each.day is not None)
    _announce(predictor, scene, layers)
    tags, own = layers[0].tags, (chip_format.multiplier, chip_format.offset)

    temporal, _ = find_chip_coordinates(days, files.lat_lon, None, tags, num_dates)

    def locate(rows: Sequence[float], columns: Sequence[float]) -> Coordinates:
        own = files.lat_lon
        located = scene.grid.lat_lon_at(rows, columns) if own is None else [own] * len(rows)
        locations = [(math.nan, math.nan) if each is None else each for each in located]
        return np.broadcast_to(temporal, (len(rows), *temporal.shape)), np.array(locations, np.float32)

    stamp: dict[str, object] = {
        "scene": scene.fingerprint(),
        "bands": [[source.path, source.layer] for source in sources],
        "scale": [list(pair) for pair in scaling],
        "no-data value": None if no_data is None or math.isnan(no_data) else no_data,
        "mask": [list(options.mask), options.dilation, [each.quality and each.quality.path for each in layers]],
        "grid": [list(scene.grid.transform[:6]), scene.grid.height, scene.grid.width],
        "dates": [day.isoformat() for day in days],
        "location": files.lat_lon,
    }
    as_trained = all(pair == own for pair in scaling)
    open_rows = partial(SceneRows, scene)
    return SceneInput(files.name, scene, open_rows, chip_format, None if as_trained else scaling, locate, stamp)


def _pad(quality: Sequence[str], length: int) -> list[str | None]:
    return [*quality, *[None] * (length - len(quality))][:length]


def _common_no_data(layers: Sequence[DateLayers], name: str) -> float | None:
    values = {each.no_data_value for each in layers}
    if len(values) > 1:
        raise DataError(f"{name}: its dates are of products with different no-data values, {values}; map them apart")
    return values.pop()


def _announce(predictor: Predictor, scene: SceneLayers, layers: Sequence[DateLayers]) -> None:
    notes = [note for each in layers for note in each.notes]
    first = scene.sources[0].path
    if all(source.path == first for source in scene.sources):
        predictor.announce([source.layer for source in scene.sources], notes)
    else:
        predictor.announce(range(len(scene.sources)), notes)
