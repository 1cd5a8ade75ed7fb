"""Hectares of zones over time."""

from dataclasses import dataclass
from pathlib import Path

from instageo.errors import ConfigError
from instageo.files import write_text
from instageo.raster.area_products.zone_areas import ZoneAreas
from instageo.raster.area_products.zone_files import CLASS_COLUMNS, VALUE_COLUMNS, format_csv, zone_rows


@dataclass(frozen=True)
class AreasOverTime:
    """Areas of the same zones at some dates.

    Attributes:
        labels: Label of each date, in order.
        areas: What the maps of each date show.

    Raises:
        ConfigError: No date was given, or dates have different zones.
    """

    labels: tuple[str, ...]
    areas: tuple[ZoneAreas, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.areas):
            raise ConfigError(f"{len(self.labels)} labels and {len(self.areas)} dates; expected one of each at least")
        if len({tuple(zone.zone for zone in areas.zones) for areas in self.areas}) > 1:
            raise ConfigError(f"the dates {', '.join(self.labels)} have different zones; measure the same at each")

    @property
    def has_classes(self) -> bool:
        """Whether the maps hold classes; otherwise they hold values."""
        return self.areas[0].has_classes

    @property
    def zone_names(self) -> list[str]:
        """Names of the zones."""
        return [zone.zone for zone in self.areas[0].zones]

    @property
    def class_names(self) -> dict[int, str]:
        """Names of the classes that occur at any date, by number."""
        names = {each.number: each.name for areas in self.areas for zone in areas.zones for each in zone.classes}
        return dict(sorted(names.items()))


def write_areas_over_time(series: AreasOverTime, folder: Path) -> Path:
    """Write `areas_over_time.csv`, one row per date, zone and class, and return its path.

    For regression the table has one row per date and zone, with the mean and the sum.

    Raises:
        WriteError: The disk refuses the file.
    """
    rows = [
        (label, *row)
        for label, areas in zip(series.labels, series.areas, strict=True)
        for zone in areas.zones
        for row in zone_rows(zone, has_classes=series.has_classes)
    ]
    columns = CLASS_COLUMNS if series.has_classes else VALUE_COLUMNS
    path = folder / "areas_over_time.csv"
    write_text(path, format_csv(("date", *columns), rows))
    return path
