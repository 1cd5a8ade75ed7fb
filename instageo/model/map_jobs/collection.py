"""What is written over the maps of several scenes: a mosaic, and their records for catalogues."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from instageo.errors import RasterError
from instageo.locations import hide_secrets
from instageo.model.inference.predictor import Predictor
from instageo.raster.map_products.map_items import MapRecord, write_item_collection
from instageo.raster.map_products.mosaic import write_mosaic
from instageo.raster.reading import read_info
from instageo.table import parse_dates

log = logging.getLogger(__name__)

MOSAIC, ITEMS = "mosaic.vrt", "items.json"
"""Names of the files, next to the maps."""


def write_collection(maps: Sequence[Path], predictor: Predictor) -> list[Path]:
    """Write a mosaic and STAC Items of maps of one folder, and return their paths.

    There is no mosaic of maps that lie on different grids; the log says so.

    Args:
        maps: At least one map.
        predictor: The network that made them, or the first of an ensemble.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses a file.
    """
    folder, files = maps[0].parent, []
    try:
        write_mosaic(maps, folder / MOSAIC)
        files.append(folder / MOSAIC)
    except RasterError as error:
        log.warning("no mosaic is written: %s", error)
    properties = describe_network(predictor)
    write_item_collection([_record(path, properties) for path in maps], folder / ITEMS)
    return [*files, folder / ITEMS]


def describe_network(predictor: Predictor) -> dict[str, Any]:
    """Return the fields of STAC's Machine Learning Model extension that describe a network."""
    settings = predictor.settings
    kind = "semantic-segmentation" if not settings.is_reg_task else "regression"
    name = Path(hide_secrets(str(settings.checkpoint_path)))
    return {
        "mlm:name": name.parent.name if name.suffix == ".ckpt" and name.parent.name else name.name,
        "mlm:architecture": f"{settings.model.model_name} with head {settings.model.head}",
        "mlm:framework": "pytorch",
        "mlm:tasks": [kind],
    }


def _record(path: Path, properties: dict[str, Any]) -> MapRecord:
    """Return the record of a map; without dates in its tags, its time is that of the file."""
    days = sorted(parse_dates(read_info(path).tags.get("DATES", "")))
    if not days:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
        return MapRecord(path, made, cloud_optimized=True, properties=properties)
    first, last = (datetime.combine(day, time(), UTC) for day in (days[0], days[-1]))
    return MapRecord(path, first, last if last != first else None, cloud_optimized=True, properties=properties)
