"""What an area, its days and its model are called."""

from pathlib import PurePath

from instageo.area_maps.request import AreaRequest
from instageo.area_maps.results import AreaMaps


def place_of(request: AreaRequest) -> str:
    """Return what the area is called: the name of its file, its box to about 10 m, or its tile."""
    name, parts = PurePath(request.area), request.area.split(",")
    if len(parts) == 4 and all(map(_is_number, parts)):
        return f"box {', '.join(f'{round(float(part), 4) + 0:.7g}' for part in parts)}"
    return name.stem if name.suffix else f"tile {request.area}"


def days_of(request: AreaRequest) -> str:
    """Return the days as text, such as `2026-11-20 to 2026-11-26`, one period for each date of the model."""
    return "; ".join(_period(str(days)) for days in request.days)


def model_of(maps: AreaMaps) -> str:
    """Return the name of the model with its version."""
    name = str(maps.model.get("name") or "model without a name")
    version = maps.model.get("version")
    return f"{name} {version}" if version else name


def title_of(maps: AreaMaps) -> str:
    """Return the title of a report or picture."""
    return f"{place_of(maps.request)}, {days_of(maps.request)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _period(text: str) -> str:
    return text.replace("/", " to ")
