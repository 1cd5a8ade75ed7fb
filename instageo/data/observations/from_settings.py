"""Tables of points as the options of a command describe them."""

from instageo.data.chip_settings import ChipSettings
from instageo.data.observations.class_map import read_class_map
from instageo.data.observations.points import PointTable, TableFormat, read_points


def read_observations(settings: ChipSettings) -> PointTable:
    """Read the table of points of a command; see `read_points`."""
    return read_points(settings.input, table_format(settings))


def table_format(settings: ChipSettings) -> TableFormat:
    """Return how tables are written."""
    return TableFormat(
        crs=settings.crs,
        date_format=settings.date_format,
        decimal=settings.decimal,
        label_type="text" if settings.label == "value" else settings.label_type,
        class_map=read_class_map(settings.class_map),
    )
