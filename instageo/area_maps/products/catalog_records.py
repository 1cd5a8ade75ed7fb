"""Mosaics of the maps of an area, and their STAC Items."""

import logging
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from instageo.area_maps.results import AreaMaps
from instageo.errors import RasterError
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.collection import describe_network
from instageo.raster.map_products.map_items import MapRecord, write_item_collection
from instageo.raster.map_products.mosaic import write_mosaic
from instageo.raster.reading import read_info
from instageo.raster.warp import crs_code
from instageo.version import __version__

log = logging.getLogger(__name__)

ITEMS = "map_items.json"


def write_mosaics(maps: AreaMaps) -> list[Path]:
    """Write a mosaic of the maps of each UTM zone, as a VRT; of maps that overlap the first one counts.

    Maps whose pixels do not coincide get no mosaic; the log says so.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses a file.
    """
    zones: dict[str, list[Path]] = defaultdict(list)
    for path in maps.maps:
        zones[crs_code(read_info(path).grid.crs or "")].append(path)
    paths = []
    for code, own in zones.items():
        path = maps.folder / ("mosaic.vrt" if len(zones) == 1 else f"mosaic_{code}.vrt")
        try:
            write_mosaic(own[::-1], path)  # the last one counts there
            paths.append(path)
        except RasterError as error:
            log.warning("no mosaic is written: %s", error)
    return paths


def write_items(maps: AreaMaps, predictor: Predictor) -> Path:
    """Write the STAC Items of the maps of an area, with what they were made from, and return the path.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses the file.
    """
    records = []
    for tile in maps.tiles:
        times = sorted(image.time for image in tile.images)
        if tile.error is not None or not times:
            continue
        properties = describe_network(predictor) | {
            "created": datetime.fromtimestamp(tile.path.stat().st_mtime, UTC).isoformat(timespec="seconds"),
            "processing:lineage": (
                f"{maps.request.composite} of {len(tile.images)} images: "
                + ", ".join(sorted(image.id for image in tile.images))
            ),
            "processing:level": "L4",
            "processing:software": {"InstaGeo": __version__},
        }
        end = times[-1] if times[-1] != times[0] else None
        records.append(MapRecord(tile.path, times[0], end, cloud_optimized=True, properties=properties))
    write_item_collection(records, maps.folder / ITEMS)
    return maps.folder / ITEMS
