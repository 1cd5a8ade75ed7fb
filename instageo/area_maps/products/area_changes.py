"""What has changed in an area between two periods, from the maps of both."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.area_maps.results import AreaMaps
from instageo.errors import DataError
from instageo.raster.area_products.change_areas import ChangeAreas, summarize_changes, write_change_areas
from instageo.raster.area_products.changes import compare_maps
from instageo.raster.area_products.zones import Zone

log = logging.getLogger(__name__)

CHANGES = "changes"
"""Folder of the maps of changes."""


@dataclass(frozen=True)
class AreaChanges:
    """Changes between two periods.

    Attributes:
        before: Maps of the earlier period.
        after: Maps of the later period.
        maps: Maps of changes, in the order in which they count.
        areas: Hectares of changes in the whole area, then in each zone.
        files: Tables by kind.
    """

    before: AreaMaps
    after: AreaMaps
    maps: Sequence[Path]
    areas: ChangeAreas
    files: dict[str, Path] = field(default_factory=dict)


def compare_areas(before: AreaMaps, after: AreaMaps, folder: Path, zones: Sequence[Zone]) -> AreaChanges:
    """Write maps and hectares of what has changed.

    Args:
        before: Maps of the earlier period.
        after: Maps of the later period, of the same area by the same model.
        folder: Output folder.
        zones: What is measured.

    Raises:
        DataError: No tile has maps of both.
        RasterError: A map cannot be read, or there are too many classes.
        WriteError: The disk refuses a file.
    """
    earlier = {tile.tile: tile.path for tile in before.tiles if tile.error is None}
    pairs = [(tile.tile, earlier[tile.tile], tile.path) for tile in after.tiles
             if tile.error is None and tile.tile in earlier]  # fmt: skip
    if not pairs:
        raise DataError("no tile has maps of both periods, so nothing can be compared; widen the dates")
    single = sorted({*earlier} ^ {tile.tile for tile in after.tiles if tile.error is None})
    if single:
        log.warning("%s: mapped in one of both periods only, so not compared there", ", ".join(single))
    paths = [folder / CHANGES / f"{name}.tif" for name, *_ in pairs]
    for (_, first, second), path in zip(pairs, paths, strict=True):
        compare_maps(first, second, path)
    areas = summarize_changes(paths, zones)
    tables = write_change_areas(areas, folder)
    return AreaChanges(before, after, paths, areas, {path.name: path for path in tables})
