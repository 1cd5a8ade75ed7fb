"""What was made of an area: the maps of its tiles, the images in them, and what was observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from instageo.area_maps.request import AreaRequest
from instageo.raster.area_products.zone_areas import ZoneAreas


@dataclass(frozen=True)
class MappedImage:
    """An image of a tile.

    Attributes:
        id: Its name in the catalogue.
        collection: Its collection.
        time: When it was taken, UTC.
        cloud_percent: Clouds in the whole image, percent; None if its record does not say.
        pixels: Pixels of the area that the map shows of it; for medians, that are among those it was computed from.
        date: Number of the model's date that it belongs to, from 0.
    """

    id: str
    collection: str
    time: datetime
    cloud_percent: float | None
    pixels: int
    date: int = 0


@dataclass(frozen=True)
class TileMap:
    """The map of the area's part of a tile.

    Attributes:
        tile: Name of the tile, such as T36KXD.
        path: The map, a Cloud-Optimized GeoTIFF on the grid of the tile; pixels beyond the area are no-data.
        images: Images in the order in which they were preferred.
        coverage: GeoTIFF with the number of the image of each pixel (0 for the first of `images`, 255 for none); for
            medians the number of observations.
        error: Why the tile could not be mapped; None if it was.
    """

    tile: str
    path: Path
    images: Sequence[MappedImage] = ()
    coverage: Path | None = None
    error: str | None = None


@dataclass(frozen=True)
class AreaMaps:
    """Maps of an area.

    Attributes:
        request: What was asked for, with the quality flags that were masked.
        folder: Folder of all files.
        geometry: The area as GeoJSON geometry, degrees, WGS 84.
        tiles: Maps in the order in which they count: where two overlap, the first one with an observation.
        model: What the model is: name, checkpoint, architecture, sensor, bands, dates, scores and limits.
        class_names: Names of the classes; empty for regression.
        class_colors: Colours of the classes, `#rrggbb`.
        areas: Hectares of the whole area, then of each zone; None before they are measured.
        files: Further files by kind, such as `mosaic`, `areas`, `zones`, `coverage`, `report`.
        command: The command that makes the same again.
        notes: Remarks on the search, such as records that could not be read.
    """

    request: AreaRequest
    folder: Path
    geometry: Mapping[str, Any]
    tiles: Sequence[TileMap]
    model: Mapping[str, Any]
    class_names: Sequence[str] = ()
    class_colors: Sequence[str] = ()
    areas: ZoneAreas | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    command: str = ""
    notes: Sequence[str] = ()

    @property
    def maps(self) -> list[Path]:
        """The maps that were made, in the order in which they count."""
        return [tile.path for tile in self.tiles if tile.error is None]
