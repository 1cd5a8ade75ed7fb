"""Hectares of changes between two dates, by zone, as CSV and JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instageo.errors import RasterError
from instageo.files import write_text
from instageo.raster.area_products.changes import read_change_classes
from instageo.raster.area_products.zone_areas import METHOD, ZoneArea, measure_zones
from instageo.raster.area_products.zone_files import format_csv, format_json
from instageo.raster.area_products.zones import Zone
from instageo.raster.reading import read_info

CHANGE_METHOD = f"only pixels that both dates observe are compared; {METHOD}"


@dataclass(frozen=True)
class ClassTransition:
    """Area that had one class before and another, or the same, after.

    Attributes:
        before: Name of the class before.
        after: Name of the class after.
        pixels: Number of pixels.
        hectares: Their area.
        share_of_compared: Their share of the compared area.
    """

    before: str
    after: str
    pixels: int
    hectares: float
    share_of_compared: float


@dataclass(frozen=True)
class ClassChange:
    """Gains and losses of a class, hectares of the compared area.

    Attributes:
        name: The class.
        before: Its area before.
        after: Its area after.
        gain: Area that became it.
        loss: Area that it had before, and has no longer.
        net: Gain minus loss.
    """

    name: str
    before: float
    after: float
    gain: float
    loss: float
    net: float


@dataclass(frozen=True)
class ZoneChange:
    """Changes in a zone.

    Attributes:
        zone: Its name.
        compared_hectares: Area that both dates observe.
        not_compared_hectares: The rest of the zone.
        changed_hectares: Area whose class differs; None for values.
        transitions: All pairs of classes, before by before; empty for values.
        classes: Gains and losses; empty for values.
        mean_change: Mean of the differences over the compared area; None for classes, or if nothing is compared.
        sum_change: Sum of the differences times the hectares of their pixels; None for classes.
    """

    zone: str
    compared_hectares: float
    not_compared_hectares: float
    changed_hectares: float | None = None
    transitions: tuple[ClassTransition, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    mean_change: float | None = None
    sum_change: float | None = None


@dataclass(frozen=True)
class ChangeAreas:
    """Changes in some zones.

    Attributes:
        maps: Names of the maps of changes in the order in which they count.
        class_names: The classes; empty for values.
        zones: The zones in their order.
        method: How areas were computed, one sentence.
    """

    maps: tuple[str, ...]
    class_names: tuple[str, ...]
    zones: tuple[ZoneChange, ...]
    method: str = CHANGE_METHOD


def summarize_changes(change_maps: Sequence[str | Path], zones: Sequence[Zone]) -> ChangeAreas:
    """Measure the changes in each zone, over maps of changes that may overlap; see `measure_zones`.

    Args:
        change_maps: Maps that `compare_maps` has written, in the order in which they count.
        zones: The zones.

    Raises:
        ConfigError: No map was given.
        RasterError: A map cannot be read, is not one of changes, or has other classes than the first one.
    """
    classes = [read_change_classes(path, read_info(path).tags) for path in change_maps]
    for path, names in zip(change_maps, classes, strict=True):
        if names != classes[0]:
            raise RasterError(
                f"{change_maps[0]} and {path}: hold changes of different classes; summarize each kind on its own"
            )
    areas = measure_zones(change_maps, zones)
    names = classes[0] or []
    return ChangeAreas(areas.maps, tuple(names), tuple(_zone_change(zone, names) for zone in areas.zones))


def write_change_areas(areas: ChangeAreas, folder: Path) -> list[Path]:
    """Write changes as `changes.csv`, `class_changes.csv` (gains and losses) and `changes.json`; return the paths.

    The first table has one row per zone and transition; for values it has one per zone, and the second is not written.

    Raises:
        WriteError: The disk refuses a file.
    """
    texts: dict[str, str] = {}
    if areas.class_names:
        texts["changes.csv"] = format_csv(
            ("zone", "before", "after", "pixels", "hectares", "share_of_compared"),
            [(zone.zone, *asdict(each).values()) for zone in areas.zones for each in zone.transitions],
        )
        texts["class_changes.csv"] = format_csv(
            ("zone", "class", "before_hectares", "after_hectares", "gain_hectares", "loss_hectares", "net_hectares"),
            [(zone.zone, *asdict(each).values()) for zone in areas.zones for each in zone.classes],
        )
    else:
        texts["changes.csv"] = format_csv(
            ("zone", "compared_hectares", "not_compared_hectares", "mean_change", "sum_change"),
            [
                (zone.zone, zone.compared_hectares, zone.not_compared_hectares, zone.mean_change, zone.sum_change)
                for zone in areas.zones
            ],
        )
    texts["changes.json"] = format_json(_record(areas))
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _record(areas: ChangeAreas) -> dict[str, Any]:
    irrelevant = ("mean_change", "sum_change") if areas.class_names else ("changed_hectares", "transitions", "classes")
    zones = [{key: value for key, value in asdict(zone).items() if key not in irrelevant} for zone in areas.zones]
    return {"maps": areas.maps, "method": areas.method, "class_names": areas.class_names, "zones": zones}


def _zone_change(zone: ZoneArea, names: Sequence[str]) -> ZoneChange:
    if not names:
        return ZoneChange(
            zone.zone, zone.observed_hectares, zone.unobserved_hectares, mean_change=zone.mean, sum_change=zone.sum
        )
    by_number = {each.number: each for each in zone.classes}
    transitions = tuple(
        ClassTransition(before, after, each.pixels, each.hectares, each.share_of_observed)
        for row, before in enumerate(names)
        for column, after in enumerate(names)
        for each in [by_number[row * len(names) + column]]
    )
    hectares = [
        [by_number[row * len(names) + column].hectares for column in range(len(names))] for row in range(len(names))
    ]
    changes = []
    for number, name in enumerate(names):
        before, after = sum(hectares[number]), sum(row[number] for row in hectares)
        same = hectares[number][number]
        changes.append(ClassChange(name, before, after, after - same, before - same, after - before))
    changed = sum(each.hectares for each in transitions) - sum(hectares[n][n] for n in range(len(names)))
    return ZoneChange(zone.zone, zone.observed_hectares, zone.unobserved_hectares, changed, transitions, tuple(changes))
