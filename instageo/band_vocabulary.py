"""Understand what a file calls its layers: names of bands, codes of providers, STAC's common names, with dates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from instageo.errors import did_you_mean
from instageo.sensors import SENSORS

BANDS = tuple(dict.fromkeys(band for sensor in SENSORS.values() for band in sensor.bands))
"""Names of the bands of all sensors."""

RED_EDGE = "RED_EDGE_1", "RED_EDGE_2", "RED_EDGE_3"

NIR = "NIR_NARROW", "NIR_BROAD"
"""Bands that are both called near infrared."""

COMMON_NAMES = {
    "coastal": ("COASTAL_AEROSOL",),
    "rededge": RED_EDGE,
    "rededge071": RED_EDGE[:1],
    "rededge075": RED_EDGE[1:2],
    "rededge078": RED_EDGE[2:],
    "nir": NIR,
    "nearinfrared": NIR,
    "nir08": NIR[:1],
    "nir09": ("WATER_VAPOR",),
    "watervapour": ("WATER_VAPOR",),
    "swir16": ("SWIR_1",),
    "swir22": ("SWIR_2",),
    "lwir11": ("THERMAL_1",),
    "lwir12": ("THERMAL_2",),
}
"""Common names of STAC's extension `eo`, and spellings, where they differ from the names of the bands; without case and
separators. Several bands where the name does not say which."""

NAMES = {re.sub(r"[^a-z0-9]", "", band.lower()): (band,) for band in BANDS} | COMMON_NAMES

DATE = re.compile(r"[a-z]{0,2}\d{1,4}|\d{4}-\d\d-\d\d(t[\d:.]+z?)?|\d{8}[a-z0-9_]*")
"""A number, an ISO date, or an identifier that begins with a date: what stands before or after a band's name."""

SEPARATOR = re.compile(r"[_\-.: ]+")
CODE = re.compile(r"(sr_?)?b0*(\d+a?)")
NUMBERED = re.compile(r"(?:b|band|layer|lyr)?[_\-. ]*0*(\d+)")


@dataclass(frozen=True)
class BandLabel:
    """What the name of a layer says.

    Attributes:
        bands: Names of the bands it may mean; empty if it is not understood.
        date: The part of the name that distinguishes dates, such as `20180924`; may be empty.
    """

    bands: frozenset[str] = frozenset()
    date: str = ""


@lru_cache(maxsize=256)
def understand_labels(descriptions: tuple[str, ...], sensor: str | None = None) -> tuple[BandLabel, ...]:
    """Return what the names of a file's layers say.

    Case and separators do not count, and a date or a number may stand before or after the name. A provider's code
    means what it means in the given sensor; without one, what it means in the sensors that have all codes of the file
    (`B05` is the red edge of Sentinel-2 but near infrared of Landsat 8). Layers that are only numbered, `B1` to `Bn` in
    this order, say nothing.

    Args:
        descriptions: What the file calls its layers.
        sensor: Key of `SENSORS`.
    """
    numbers = [NUMBERED.fullmatch(text.strip().lower()) for text in descriptions]
    if [int(match[1]) for match in numbers if match] == list(range(1, len(descriptions) + 1)):
        return (BandLabel(),) * len(descriptions)
    parts = [_split_date(text.strip().lower()) for text in descriptions]
    codes = {code for name, _ in parts if (code := _code(name))}
    chosen = [sensor] if sensor else list(SENSORS)
    meanings = [_meanings_of_codes(name) for name in chosen]
    having_all = [meaning for meaning in meanings if codes <= set(meaning)] or meanings
    return tuple(
        BandLabel(
            frozenset(NAMES.get(_plain(name), ()))
            or frozenset(meaning[code] for meaning in having_all if (code := _code(name)) and code in meaning),
            date,
        )
        for name, date in parts
    )


def suggest_band(name: str) -> str:
    """Return `; did you mean RED?` for a misspelt name of a band, or an empty text: other names are a user's own."""
    codes = [code for sensor in SENSORS.values() for code in sensor.band_codes]
    if _plain(name.lower()) in NAMES or name.upper() in codes or _code(name.lower()):
        return ""
    return did_you_mean(name.upper(), BANDS, cutoff=0.85)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name)


def _code(name: str) -> str:
    """Return a provider's code in one notation, `b2` or `srb2`; an empty text for other names."""
    match = CODE.fullmatch(name)
    return f"{'sr' if match[1] else ''}b{match[2]}" if match else ""


def _meanings_of_codes(sensor: str) -> dict[str, str]:
    entry = SENSORS[sensor]
    pairs = zip(entry.band_codes, entry.bands, strict=True)
    return {short: band for code, band in pairs if (short := _code(code.lower()))}


def _split_date(text: str) -> tuple[str, str]:
    """Separate the name of a band from the date before or after it; the date may be empty."""
    if _is_name(text):
        return text, ""
    for separator in SEPARATOR.finditer(text):
        before, after = text[: separator.start()], text[separator.end() :]
        for name, date in ((after, before), (before, after)):
            if _is_name(name) and DATE.fullmatch(date):
                return name, date
    return text, ""


def _is_name(text: str) -> bool:
    return _plain(text) in NAMES or bool(_code(text))


def sort_dates(dates: Sequence[str]) -> list[str]:
    """Sort the parts of names that distinguish dates; numbers by their value."""
    return sorted(set(dates), key=lambda date: [int(part) if part.isdigit() else part for part in _number_parts(date)])


def _number_parts(text: str) -> list[str]:
    """Return letters and numbers of a text in turn, letters first."""
    return re.split(r"(\d+)", text)
