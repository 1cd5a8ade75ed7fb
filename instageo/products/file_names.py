"""What the name of a file says of the product, the band and the date that it belongs to."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from instageo.products.quality_flags import QUALITY_CODES
from instageo.sensors import SENSORS

QUALITY = ""
"""Takes the place of a band's name for the quality layer."""

LANDSAT_SENSORS = {
    "LT04": "landsat5_c2", "LT05": "landsat5_c2", "LE07": "landsat7_c2", "LC08": "landsat8_c2", "LC09": "landsat9_c2",
}  # fmt: skip
"""Key of `SENSORS` by the first letters of a scene; the bands of Landsat 4 are those of Landsat 5."""

SENTINEL2_COMMON_NAMES = {
    "coastal": "COASTAL_AEROSOL", "blue": "BLUE", "green": "GREEN", "red": "RED", "rededge1": "RED_EDGE_1",
    "rededge2": "RED_EDGE_2", "rededge3": "RED_EDGE_3", "nir": "NIR_BROAD", "nir08": "NIR_NARROW",
    "nir09": "WATER_VAPOR", "swir16": "SWIR_1", "swir22": "SWIR_2",
}  # fmt: skip
"""Bands by what Earth Search calls its files."""

_HLS = re.compile(r"(HLS\.([SL])30\.T\w{5}\.(\d{7})T\d{6}\.v[\d.]+)\.(\w+)\.tiff?", re.IGNORECASE)
_LANDSAT = re.compile(r"((L[A-Z]\d\d)_L2S[PR]_\d{6}_(\d{8})_\d{8}_\d\d_\w\w)_(SR_B\d+|QA_PIXEL)\.tiff?", re.IGNORECASE)
_SENTINEL2 = re.compile(r"(?:(\w+)_)?(B\d[0-9A]|SCL)(?:_(\d0)m)?\.(?:tiff?|jp2)", re.IGNORECASE)
_MGRS_TILE = re.compile(r"(?:^|_)T?\d{1,2}[C-X][A-Z]{2}(?:_|$)")
_DAY = re.compile(r"(?:^|_)(\d{8})(?:T\d{6})?(?:_|$)")
_EARTH_SEARCH = re.compile(rf"({'|'.join(SENTINEL2_COMMON_NAMES)}|scl)\.(?:tiff?|jp2)", re.IGNORECASE)


@dataclass(frozen=True)
class NamedFile:
    """What the name of a file says.

    Attributes:
        product: Name that the files of one product at one date share; empty if they share none.
        sensor: Key of `SENSORS`.
        band: Name of the band, or `QUALITY`.
        day: Day of the image; None if the name has none.
        resolution_m: Pixel size in the name, metres; 0 if it has none.
    """

    product: str
    sensor: str
    band: str
    day: date | None = None
    resolution_m: int = 0


def understand_name(name: str) -> NamedFile | None:
    """Return what the name of a file, without folder, says; None for files that hold neither band nor quality layer."""
    for pattern, understand in _NAMES.items():
        if match := pattern.fullmatch(name):
            return understand(match)
    return None


def _hls(match: re.Match[str]) -> NamedFile | None:
    sensor = f"hls_{match[2].lower()}30"
    return _named(match[1], sensor, match[4], _date(match[3], "%Y%j"))


def _landsat(match: re.Match[str]) -> NamedFile | None:
    sensor = LANDSAT_SENSORS.get(match[2].upper())
    return None if sensor is None else _named(match[1], sensor, match[4], _date(match[3], "%Y%m%d"))


def _sentinel2(match: re.Match[str]) -> NamedFile | None:
    """Return what the name of a band of Sentinel-2 says; names of Level-1C have neither resolution nor level."""
    product, resolution_m = match[1] or "", int(match[3] or 0)
    is_level_2 = "L2A" in product.upper() or resolution_m > 0
    if product and not (is_level_2 and _MGRS_TILE.search(product.upper())):
        return None
    return _named(product, "sentinel2_l2a", match[2], day_in_name(product), resolution_m)


def _earth_search(match: re.Match[str]) -> NamedFile:
    return NamedFile("", "sentinel2_l2a", SENTINEL2_COMMON_NAMES.get(match[1].lower(), QUALITY))


def day_in_name(name: str) -> date | None:
    """Return the first day, as `20210503`, in the name of a product of Sentinel-2; None without one."""
    match = _DAY.search(name.upper())
    return _date(match[1], "%Y%m%d") if match else None


def _named(product: str, sensor: str, code: str, day: date | None, resolution_m: int = 0) -> NamedFile | None:
    """Return what a provider's code for a layer means; None for layers that are neither band nor quality layer."""
    entry, code = SENSORS[sensor], code.upper()
    if code == QUALITY_CODES[sensor].upper():
        return NamedFile(product, sensor, QUALITY, day, resolution_m)
    if code not in entry.band_codes:
        return None
    return NamedFile(product, sensor, entry.bands[entry.band_codes.index(code)], day, resolution_m)


def _date(text: str, pattern: str) -> date | None:
    try:
        return datetime.strptime(text, pattern).date()
    except ValueError:
        return None


_NAMES: Mapping[re.Pattern[str], Callable[[re.Match[str]], NamedFile | None]] = {
    _HLS: _hls,
    _LANDSAT: _landsat,
    _SENTINEL2: _sentinel2,
    _EARTH_SEARCH: _earth_search,
}
