"""Pictures and the report of the maps of an area, from what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instageo.area_maps.area_table import (
    AreaTable,
    ChangeTable,
    ClassHectares,
    GainAndLoss,
    SeriesPoint,
    SeriesTable,
    Transition,
    ZoneTable,
)
from instageo.area_maps.pictures.area_pictures import draw_area_quicklook, draw_coverage
from instageo.area_maps.pictures.place_text import days_of
from instageo.area_maps.products.area_changes import AreaChanges
from instageo.area_maps.products.area_series import AreaSeries
from instageo.area_maps.report.page import write_report
from instageo.area_maps.results import AreaMaps
from instageo.raster.area_products.zone_areas import ZoneArea, ZoneAreas
from instageo.raster.area_products.zones import Zone

REPORT, COVERAGE, QUICKLOOK = "report.html", "coverage.png", "quicklook.png"


def write_pages(
    maps: AreaMaps,
    zones: Sequence[Zone],
    folder: Path,
    *,
    changes: AreaChanges | None = None,
    series: AreaSeries | None = None,
) -> AreaMaps:
    """Write the pictures and the report of measured maps, and return the maps with these files.

    Args:
        maps: The maps, with their hectares.
        zones: What was measured: the whole area, then further zones.
        folder: Output folder.
        changes: Changes since an earlier period.
        series: Earlier and later periods.

    Raises:
        RasterError: A map cannot be read.
        WriteError: The disk refuses a file.
    """
    if maps.areas is None:
        raise ValueError("the maps have not been measured")
    table = _area_table(maps.areas, zones)
    files = {"coverage": folder / COVERAGE, "quicklook": folder / QUICKLOOK, "report": folder / REPORT}
    draw_coverage(maps, files["coverage"])
    draw_area_quicklook(maps, table, files["quicklook"])
    write_report(
        maps, table, files["report"],
        changes=None if changes is None else _change_table(changes),
        series=None if series is None else _series_table(series),
    )  # fmt: skip
    return replace(maps, files=files | {kind: path for kind, path in maps.files.items() if kind not in files})


def _area_table(areas: ZoneAreas, zones: Sequence[Zone]) -> AreaTable:
    from shapely.geometry import mapping

    whole, *others = areas.zones
    return AreaTable(
        _zone_table(whole),
        [_zone_table(zone, mapping(own.geometry)) for zone, own in zip(others, zones[1:], strict=True)],
        areas.method,
    )


def _zone_table(zone: ZoneArea, geometry: Mapping[str, Any] | None = None) -> ZoneTable:
    classes = [
        ClassHectares(each.number, each.name, each.pixels, each.hectares, each.share_of_observed)
        for each in zone.classes
    ]
    return ZoneTable(zone.zone, zone.observed_hectares, zone.unobserved_hectares, classes, zone.mean, geometry)


def _change_table(changes: AreaChanges) -> ChangeTable:
    whole = changes.areas.zones[0]
    return ChangeTable(
        days_of(changes.before.request), days_of(changes.after.request),
        [Transition(each.before, each.after, each.hectares) for each in whole.transitions],
        [GainAndLoss(each.name, each.gain, each.loss) for each in whole.classes],
        whole.compared_hectares, whole.not_compared_hectares, changes.maps,
    )  # fmt: skip


def _series_table(series: AreaSeries) -> SeriesTable:
    points = []
    for label, areas in zip(series.areas.labels, series.areas.areas, strict=True):
        whole = areas.zones[0]
        hectares = {each.name: each.hectares for each in whole.classes}
        points.append(SeriesPoint(label.replace("_", " to "), hectares, whole.observed_share))
    return SeriesTable(points)
