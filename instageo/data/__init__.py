"""From points and rasters to chips and tables; knows nothing of networks."""

from typing import TYPE_CHECKING

from instageo.extras import lazy_attributes

if TYPE_CHECKING:
    from instageo.data.chip_creation import create_chips, create_raster_chips, plan_chips
    from instageo.data.chip_settings import ChipSettings
    from instageo.data.cleaning.clean_settings import CleanSettings
    from instageo.data.cleaning.table_cleaning import CleanReport, clean_table
    from instageo.data.output.tables import ChipReport
    from instageo.data.split_report.split_record import SplitReport
    from instageo.data.split_report.verification import verify_split
    from instageo.data.split_settings import SplitSettings
    from instageo.data.table_splitting import split_table

__all__ = [
    "ChipReport", "ChipSettings", "CleanReport", "CleanSettings", "SplitReport", "SplitSettings", "clean_table",
    "create_chips", "create_raster_chips", "plan_chips", "split_table", "verify_split",
]  # fmt: skip

_MODULES = {
    "ChipReport": "output.tables",
    "ChipSettings": "chip_settings",
    "CleanReport": "cleaning.table_cleaning",
    "CleanSettings": "cleaning.clean_settings",
    "SplitReport": "split_report.split_record",
    "SplitSettings": "split_settings",
    "clean_table": "cleaning.table_cleaning",
    "create_chips": "chip_creation",
    "create_raster_chips": "chip_creation",
    "plan_chips": "chip_creation",
    "split_table": "table_splitting",
    "verify_split": "split_report.verification",
}
"""Module of each public name; it is imported on first use."""

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES, "data")
