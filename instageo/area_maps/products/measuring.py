"""What is made from the maps of an area: mosaics, records for catalogues, and hectares of the area and of zones.

`raster.area_products.zone_areas` computes the hectares.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from instageo.area_maps.preparation.area import read_area
from instageo.area_maps.products.catalog_records import write_items, write_mosaics
from instageo.area_maps.request import AreaRequest
from instageo.area_maps.results import AreaMaps
from instageo.model.inference.predictor import Predictor
from instageo.raster.area_products.zone_areas import measure_zones
from instageo.raster.area_products.zone_files import write_zone_areas
from instageo.raster.area_products.zones import Zone, read_zones

WHOLE_AREA = "whole area"
"""Name of the first zone of tables: all of the area."""


def zones_of(request: AreaRequest) -> list[Zone]:
    """Return the zones to measure: the whole area, then those of the file that the request names.

    Raises:
        DataError: The area or the file cannot be read.
    """
    zones = [] if request.zones is None else read_zones(request.zones)
    return [Zone(WHOLE_AREA, read_area(request.area).geometry), *zones]


def measure_maps(maps: AreaMaps, predictor: Predictor, zones: Sequence[Zone]) -> AreaMaps:
    """Write mosaics, records and hectares next to the maps of an area, and return them with these.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses a file.
    """
    mosaics = write_mosaics(maps)
    areas = measure_zones(maps.maps, zones)
    table, record = write_zone_areas(areas, maps.folder)
    files: dict[str, Path] = {f"mosaic {number}" if number else "mosaic": path for number, path in enumerate(mosaics)}
    files |= {"items": write_items(maps, predictor), "areas": table, "areas as JSON": record}
    return replace(maps, areas=areas, files={**maps.files, **files})
