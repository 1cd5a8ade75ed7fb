"""From points and rasters to chips and tables; knows nothing of networks."""

from importlib import import_module
from typing import TYPE_CHECKING

from instageo.extras import required_by

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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with required_by(f"{__name__}.{name}", "data"):
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
