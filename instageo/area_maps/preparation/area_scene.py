"""The images of a tile as a scene for a model: which bands it needs, and how their values become its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from instageo.area_maps.preparation.area_tiles import AreaTile
from instageo.area_maps.preparation.image_search import ImageSearch
from instageo.area_maps.request import AreaRequest
from instageo.data.composites.composite_rows import CompositeRows
from instageo.data.composites.composite_scene import CompositeScene, composite_image
from instageo.data.items.item import Item
from instageo.data.reading.catalog_files import CatalogFiles
from instageo.data.sources.source import Source
from instageo.data.sources.sources import find_source
from instageo.errors import ConfigError, DataError
from instageo.model.chips.dates_and_location import Coordinates, find_chip_coordinates
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.inference.predictor import Predictor
from instageo.model.scenes.date_layers import ReadingOptions, scale_to_model
from instageo.model.scenes.tiles import SceneInput
from instageo.model.settings.derived import band_names

SOURCES_OF_SENSOR = {
    "hls": ("hls", "hls_s30", "hls_l30"), "sentinel2": ("sentinel2",), "landsat": ("landsat",),
    "sentinel1": ("sentinel1",),
}  # fmt: skip
"""Products whose images are like those of a model's sensor, by the beginning of the sensor's name."""


def trained_on(predictor: Predictor) -> Source:
    """Return the product that training chips are of; HLS if nothing says which, as that of the Prithvi weights."""
    data = predictor.settings.dataloader
    kinds = [kind for kind in SOURCES_OF_SENSOR if (data.sensor or "").startswith(kind)]
    sources = [find_source(name) for name in SOURCES_OF_SENSOR[[*kinds, "sentinel1" if data.radar_unit else "hls"][0]]]
    bands = band_names(predictor.settings)
    return next((source for source in sources if not _missing(source, bands)), sources[0])


def _missing(source: Source, bands: Sequence[str]) -> list[str]:
    """Return the bands that are not in all collections of any catalogue."""
    return [band for band in bands if not any(all(band in each.assets for each in g) for g in source.products.values())]


def choose_source(predictor: Predictor, name: str | None) -> Source:
    """Return the product to map with: that of the training chips, unless the user names another one.

    Raises:
        ConfigError: It lacks a band of the model, or is radar where the model was trained on reflectance.
    """
    settings = predictor.settings
    radar_unit = settings.dataloader.radar_unit
    source = trained_on(predictor) if name is None else find_source(name)
    if (source.radar_unit is None) != (radar_unit is None):
        kinds = ["reflectance" if unit is None else "radar backscatter" for unit in (source.radar_unit, radar_unit)]
        raise ConfigError(f"source={source.name}: has {kinds[0]}, but the model was trained on {kinds[1]}")
    if missing := _missing(source, band_names(settings)):
        raise ConfigError(
            f"source={source.name}: lacks {', '.join(missing)}, which the model needs; choose a product that has "
            f"{'it' if len(missing) == 1 else 'them'}, or train a model without"
        )
    return source


def choose_resolution(predictor: Predictor, source: Source, requested: float | None) -> float | None:
    """Return the pixel size of maps, metres: what the user wants, else that of the training chips.

    Chips hold the pixels of their product as they are, so the product says how large they are. None stands for the
    size of the images' own pixels.
    """
    if requested is not None:
        return requested
    names = band_names(predictor.settings)
    own, of_training = (min(each.band_resolution(band) for band in names) for each in (source, trained_on(predictor)))
    return None if own == of_training else of_training


@dataclass(frozen=True)
class AreaScene:
    """The part of a tile, as the map engine takes it.

    Attributes:
        name: Name of the tile.
        tile: Its pixels and images.
        search: How images are read.
        request: How they are combined.
        files: Reads the files.
        threads: Files that are read at a time.
        excluded: Images that turned out to be of no use.
    """

    name: str
    tile: AreaTile
    search: ImageSearch
    request: AreaRequest
    files: CatalogFiles
    threads: int = 8
    excluded: frozenset[Item] = frozenset()

    @property
    def images(self) -> tuple[tuple[Item, ...], ...]:
        """Images of each date that are used, in the order in which they are preferred."""
        return tuple(
            tuple(scene.item for scene in scenes if scene.item not in self.excluded) for scenes in self.tile.images
        )

    def composite(self) -> CompositeScene:
        """Return the scene that combines the images.

        Raises:
            DataError: A date has no image.
        """
        search, access = self.search, self.search.open_access()
        if not all(self.images):
            raise DataError(f"{self.name}: no image is left that can be read; widen the dates")
        dates = tuple(
            tuple(
                composite_image(item, search.product_of(item.collection), search.bands, search.source, access)
                for item in items
            )
            for items in self.images
        )
        return CompositeScene(
            self.tile.grid, dates, search.bands, search.source, self.files,
            is_median=self.request.composite == "median", mask=search.mask, dilation=self.request.dilation,
            stated=self.request.sentinel2_shift, shown=self.tile.shown, read_area=self.tile.read_area,
        )  # fmt: skip

    def open(self, predictor: Predictor, options: ReadingOptions) -> SceneInput:  # noqa: ARG002  # those of files
        """Open it for a model.

        Raises:
            DataError: The model was trained on another number of dates.
        """
        scene, chip_format = self.composite(), chip_format_from_settings(predictor.settings)
        if scene.num_dates != chip_format.temporal_dim:
            raise DataError(
                f"{self.name}: has {scene.num_dates} dates, but the model was trained on {chip_format.temporal_dim}"
            )
        own = (chip_format.multiplier, chip_format.offset)
        pair = own if self.search.source.radar_unit else scale_to_model(chip_format, 1.0, 0.0)
        scaling = None if pair == own else (pair,) * scene.num_layers
        days = [_middle_day(items) for items in self.images]
        temporal, _ = find_chip_coordinates(days, None, None, {}, scene.num_dates)

        def locate(rows: Sequence[float], columns: Sequence[float]) -> Coordinates:
            located = scene.grid.lat_lon_at(rows, columns)
            locations = [(math.nan, math.nan) if each is None else each for each in located]
            return np.broadcast_to(temporal, (len(rows), *temporal.shape)), np.array(locations, np.float32)

        taken = sorted({item.time.date() for items in self.images for item in items})
        stamp: dict[str, object] = {
            "scene": scene.fingerprint(), "scale": list(pair), "dates": [day.isoformat() for day in taken],
            "days of the model": [day.isoformat() for day in days],
        }  # fmt: skip
        rows = partial(CompositeRows, scene, threads=self.threads)
        return SceneInput(self.name, scene, rows, chip_format, scaling, locate, stamp)


def _middle_day(items: Sequence[Item]) -> date:
    """Return the day that stands for a date of the model: that of the image in the middle."""
    days = sorted(item.time.date() for item in items)
    return days[(len(days) - 1) // 2]
