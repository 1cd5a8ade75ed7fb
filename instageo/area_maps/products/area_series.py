"""An area over time: a stack of the maps of each tile, hectares of each period, and a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.area_maps.figures.areas_over_time import draw_areas_over_time
from instageo.area_maps.results import AreaMaps
from instageo.errors import DataError
from instageo.raster.area_products.time_series import AreasOverTime, write_areas_over_time
from instageo.raster.area_products.time_stack import write_time_stack

STACK, CHART = "stack", "areas_over_time.png"


@dataclass(frozen=True)
class AreaSeries:
    """Maps of an area over time.

    Attributes:
        periods: Maps by the name of their period; None where no image was found.
        areas: Hectares of the periods that have maps.
        files: Chart, table and stacks by kind.
    """

    periods: Mapping[str, AreaMaps | None]
    areas: AreasOverTime
    files: dict[str, Path] = field(default_factory=dict)


def follow_area(periods: Mapping[str, AreaMaps | None], folder: Path) -> AreaSeries:
    """Write stacks, a table and a chart of maps of several periods.

    Args:
        periods: Maps by the name of their period, in order; None where no image was found.
        folder: Output folder.

    Raises:
        DataError: No period has a map.
        RasterError: A map cannot be read.
        WriteError: The disk refuses a file.
    """
    mapped = {name: maps for name, maps in periods.items() if maps is not None and maps.areas is not None}
    if not mapped:
        raise DataError("no period has an image of the area; widen the dates, or choose longer periods")
    by_date: dict[str, Sequence[Path]] = {name: maps.maps if maps else [] for name, maps in periods.items()}
    stacks = write_time_stack(by_date, folder / STACK)
    series = AreasOverTime(tuple(mapped), tuple(maps.areas for maps in mapped.values() if maps.areas is not None))
    colors = next(iter(mapped.values())).class_colors
    draw_areas_over_time(series, folder / CHART, colors=colors)
    tables = write_areas_over_time(series, folder)
    paths = [folder / CHART, *([tables] if isinstance(tables, Path) else tables), *stacks]
    return AreaSeries(periods, series, {path.name: path for path in paths})
