"""The JSON of a request for a job: checked field by field, within the limits of the server, before anything is done."""

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from instageo.area_maps.request import COMPOSITES, AreaRequest, Days, divide_periods
from instageo.data.catalogs.catalogs import CATALOGS, find_catalog
from instageo.data.catalogs.trust import is_private
from instageo.data.sources.sources import SOURCES
from instageo.errors import ConfigError, did_you_mean
from instageo.plain_values import MAX_VALUES, UnboundedTextError, count_values, load_json
from instageo.products.quality_flags import OBSCURING
from instageo.serving.errors import HTTPProblem
from instageo.serving.jobs import geometry
from instageo.serving.jobs.geometry import TooLargeError
from instageo.serving.jobs.settings import JobSettings

FIELDS = {
    "model": "Name of a model, one of /v1/models; the first by default.",
    "area": "Box [west, south, east, north] in degrees, or a GeoJSON geometry of type Polygon or MultiPolygon.",
    "date": "A day, 2026-11-20, or a period, 2026-11-20/2026-11-26, UTC.",
    "dates": "Days or periods of a model that takes several dates, in its order.",
    "before": "Earlier day or period of a comparison, instead of date; a list for a model of several dates.",
    "after": "Later day or period of a comparison.",
    "every": "Divide date into periods of this many days, such as 16d, and map each.",
    "source": "Satellite product; by default that of the training chips.",
    "catalog": "Key of a catalogue; by default that of the product.",
    "composite": f"How images are combined: {', '.join(COMPOSITES)}.",
    "mask": "Quality flags whose pixels do not count; by default cloud and shadow.",
    "dilation": "Pixels by which masks grow.",
    "resolution": "Pixel size, metres; by default that of the training chips.",
    "max_cloud": "Largest cloud cover of an image, percent.",
    "zones": "GeoJSON FeatureCollection of polygons whose areas are measured one by one.",
    "probabilities": "Whether the probability of each class is written, too.",
}
"""Fields of a request."""

MASKS = (*OBSCURING, "snow", "water")
"""Quality flags that a request may name."""

MAX_NAME = 200
"""Most characters of a name in a request."""


@dataclass(frozen=True)
class JobSpec:
    """A request for a job, checked.

    Attributes:
        model: Name of the model.
        area: Box `W,S,E,N`; None if there is a geometry.
        geometry: GeoJSON geometry; None if there is a box.
        zones: FeatureCollection; None without zones.
        periods: Days of each date of each map, by the name of its period; see `divide_periods`.
        choices: Further fields of `AreaRequest`.
        probabilities: Whether probabilities are written, too.
        summary: What was asked for, in the words of the request; geometries by their bounds.
    """

    model: str
    area: str | None
    geometry: Mapping[str, Any] | None
    zones: Mapping[str, Any] | None
    periods: Mapping[str, tuple[Days, ...]]
    choices: Mapping[str, Any]
    probabilities: bool
    summary: Mapping[str, Any]

    def to_requests(self, area_file: str, zones_file: str) -> dict[str, AreaRequest]:
        """Return the request of each period; geometry and zones are in these files."""
        area, zones = self.area or area_file, zones_file if self.zones is not None else None
        return {name: AreaRequest(area, days, zones=zones, **self.choices) for name, days in self.periods.items()}


def parse_job(text: str, models: Collection[str], settings: JobSettings) -> JobSpec:
    """Return a request for a job.

    Args:
        text: The body of the request.
        models: Names of the server's models, the first of which is the default.
        settings: Limits of the server.

    Raises:
        HTTPProblem: It is not JSON (400), beyond a limit (413), or does not fit (422).
    """
    try:
        return _parse(_load(text), models, settings)
    except TooLargeError as error:
        raise HTTPProblem(413, str(error)) from error
    except ConfigError as error:
        raise HTTPProblem(422, str(error)) from error


def _load(text: str) -> dict[str, Any]:
    try:
        values = load_json(text)
    except UnboundedTextError as error:
        raise HTTPProblem(413, f"the request is beyond the limits of JSON here: {error}") from error
    except json.JSONDecodeError as error:
        raise HTTPProblem(400, f"the request is not JSON: {error.msg} at line {error.lineno}") from error
    if not isinstance(values, dict):
        raise HTTPProblem(422, f"the request is not a JSON object; expected the fields {', '.join(FIELDS)}")
    if count_values(values) > MAX_VALUES:
        raise HTTPProblem(413, f"the request has more than {MAX_VALUES} values; simplify its polygons")
    return values


def _parse(values: dict[str, Any], models: Collection[str], settings: JobSettings) -> JobSpec:
    for key in values:
        if key not in FIELDS:
            raise ConfigError(
                f"the field '{key[:50]}' is unknown; expected {', '.join(FIELDS)}{did_you_mean(key[:50], FIELDS)}"
            )
    model = _choice(values, "model", models) or next(iter(models))
    box, area = _read_area(values.get("area"), settings)
    zones = None if values.get("zones") is None else geometry.read_zones(values["zones"])
    periods = _read_periods(values, settings)
    choices = {
        "source": _choice(values, "source", SOURCES),
        "catalog": _read_catalog(values, settings),
        "composite": _choice(values, "composite", COMPOSITES) or COMPOSITES[0],
        "mask": _read_mask(values),
        "dilation": _read_number(values, "dilation", 0.0),
        "max_cloud": _read_number(values, "max_cloud", 100.0),
        "resolution": None if values.get("resolution") is None else _read_number(values, "resolution", 0.0),
    }
    probabilities = values.get("probabilities", False)
    if not isinstance(probabilities, bool):
        raise ConfigError("probabilities: expected true or false")
    spec = JobSpec(
        model, ",".join(f"{value:.10g}" for value in box) if box else None, None if box else area, zones, periods,
        choices, probabilities, _summarize(area, box, zones, periods, choices),
    )  # fmt: skip
    spec.to_requests("", "")  # checks ranges
    return spec


def _summarize(
    area: Mapping[str, Any],
    box: geometry.Box | None,
    zones: Mapping[str, Any] | None,
    periods: Mapping[str, tuple[Days, ...]],
    choices: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "bounds": list(box or geometry.bounds_of(area)),
        "area_km2": round(geometry.measure_km2(area), 1),
        "zones": len(zones["features"]) if zones else 0,
        "dates": [str(each) for days in periods.values() for each in days],
        "periods": {name: [str(each) for each in days] for name, days in periods.items() if name},
        **{name: list(value) if isinstance(value, tuple) else value for name, value in choices.items()},
    }


def _read_area(value: Any, settings: JobSettings) -> tuple[geometry.Box | None, dict[str, Any]]:
    """Return the box, if it is one, and the geometry of an area within the limits."""
    if isinstance(value, list):
        box = geometry.read_box(value)
        area = geometry.box_geometry(box)
    elif isinstance(value, dict):
        box, area = None, geometry.read_area(value)
    else:
        raise ConfigError("area: expected a box [west, south, east, north] or a GeoJSON geometry; files are not read")
    size, limit = geometry.measure_km2(area), settings.area_km2
    if size > limit:
        raise TooLargeError(f"area: has {size:,.0f} km²; the limit of this server is {limit:,} km²")
    if (cells := geometry.count_cells(area)) > geometry.MAX_CELLS:
        raise TooLargeError(
            f"area: is spread over {cells} cells of one degree; the limit is {geometry.MAX_CELLS}, so split it"
        )
    return box, area


def _read_periods(values: Mapping[str, Any], settings: JobSettings) -> dict[str, tuple[Days, ...]]:
    """Return the days of each map by its period, within the limits."""
    if values.get("date") is not None and values.get("dates") is not None:
        raise ConfigError("date and dates: expected one of them")
    dates = [*(_read_dates(values, "date") or _read_dates(values, "dates") or [])]
    every = values.get("every")
    if every is not None and not isinstance(every, str):
        raise ConfigError("every: expected a number of days as text, such as 16d")
    periods = divide_periods(
        dates, _read_dates(values, "before"), _read_dates(values, "after"), None if every is None else every[:50]
    )
    count = sum((each.last - each.first).days + 1 for days in periods.values() for each in days)
    if count > settings.days:
        raise TooLargeError(f"dates: are {count} days; the limit of this server is {settings.days} days")
    return periods


def _read_dates(values: Mapping[str, Any], name: str) -> list[str] | None:
    """Return days or periods; a single one may be a text alone."""
    value = values.get(name)
    given = [value] if name != "dates" and not isinstance(value, list) else value
    if value is None:
        return None
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        raise ConfigError(f"{name}: expected a day such as 2026-11-20, or a period such as 2026-11-20/2026-11-26")
    return [each[:50] for each in given]


def _choice(values: Mapping[str, Any], name: str, options: Collection[str]) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in options:
        shown = value[:MAX_NAME] if isinstance(value, str) else type(value).__name__
        raise ConfigError(
            f"{name}: {shown} is unknown; expected one of {', '.join(options)}{did_you_mean(shown, options)}"
        )
    return value


def _read_catalog(values: Mapping[str, Any], settings: JobSettings) -> str | None:
    value = values.get("catalog")
    if not isinstance(value, str) or not value.startswith(("https://", "http://")) or len(value) > 10 * MAX_NAME:
        return _choice(values, "catalog", CATALOGS)
    if not settings.allow_catalog_urls:
        raise HTTPProblem(403, f"catalog: this server takes no URLs; expected one of {', '.join(CATALOGS)}")
    if is_private(value) and not settings.allow_private_catalogs:
        raise HTTPProblem(403, "catalog: lies on a private host, which this server does not ask for clients")
    return find_catalog(value).key


def _read_mask(values: Mapping[str, Any]) -> tuple[str, ...] | None:
    value = values.get("mask")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > len(MASKS):
        raise ConfigError(f"mask: expected a list of {', '.join(MASKS)}")
    return tuple(name for each in value if (name := _choice({"mask": each}, "mask", MASKS)))


def _read_number(values: Mapping[str, Any], name: str, default: float) -> float:
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ConfigError(f"{name}: expected a number")
    return float(value)
