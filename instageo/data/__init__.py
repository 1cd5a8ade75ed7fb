"""From points and rasters to chips and tables; knows nothing of networks."""

from typing import TYPE_CHECKING

from instageo.extras import lazy_attributes

if TYPE_CHECKING:
    from instageo.data.chip_creation import create_chips, create_raster_chips, plan_chips
    from instageo.data.chip_settings import ChipSettings
    from instageo.data.output.tables import ChipReport

__all__ = ["ChipReport", "ChipSettings", "create_chips", "create_raster_chips", "plan_chips"]

_MODULES = {
    "ChipReport": "output.tables",
    "ChipSettings": "chip_settings",
    "create_chips": "chip_creation",
    "create_raster_chips": "chip_creation",
    "plan_chips": "chip_creation",
}
"""Module of each public name; it is imported on first use."""

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES, "data")
