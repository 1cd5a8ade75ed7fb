"""Sentinel-2 Level-2A surface reflectance: 10 and 20 m on MGRS tiles, with the offset of baseline 04.00.

Since processing baseline 04.00 (January 2022, and all older images that were processed again) products hold reflectance
x 10000 + 1000. Catalogues differ in whether they have removed it:

- Planetary Computer, CDSE and Earth Search's `sentinel-2-c1-l2a` never do;
- Earth Search's older `sentinel-2-l2a` says so in `earthsearch:boa_offset_applied`, but `false` was found on images of
  both kinds, so such images of baseline 04.00 and later are refused unless the user states what they hold.
"""

import re
from collections.abc import Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Item
from instageo.data.sources.source import Product, RefusedItemError, Source
from instageo.products.quality_flags import SCL
from instageo.sensors import PRITHVI_BANDS, SENSORS

CODES = dict(zip(SENSORS["sentinel2_l2a"].bands, SENSORS["sentinel2_l2a"].band_codes, strict=True))

EARTHSEARCH = {
    "COASTAL_AEROSOL": "coastal", "BLUE": "blue", "GREEN": "green", "RED": "red", "RED_EDGE_1": "rededge1",
    "RED_EDGE_2": "rededge2", "RED_EDGE_3": "rededge3", "NIR_BROAD": "nir", "NIR_NARROW": "nir08",
    "WATER_VAPOR": "nir09", "SWIR_1": "swir16", "SWIR_2": "swir22",
}  # fmt: skip

RESOLUTION_M = {"": 20.0, "COASTAL_AEROSOL": 60.0, "WATER_VAPOR": 60.0} | dict.fromkeys(
    ("BLUE", "GREEN", "RED", "NIR_BROAD"), 10.0
)

CDSE = {band: f"{code}_{RESOLUTION_M.get(band, 20.0):.0f}m" for band, code in CODES.items()}

OFFSET = -1000.0
"""Added to the stored values of baseline 04.00 and later."""

MAX_NEGATIVE = 0.2
"""Share of negative blue and red pixels above which the offset must have been applied before."""

MIN_CHECKED = 1000
"""Fewest values by which an image is refused: a few pixels may all be deep shadow, or water."""

APPLIED = "earthsearch:boa_offset_applied"
"""Property that says whether a catalogue has added the offset."""


def stored_offset(item: Item, stated: str | None) -> float:
    """Return what to add to the stored values of an image, 0 or -1000.

    Args:
        item: The image.
        stated: What the user states for images without this information: `pending`, `applied` or None.

    Raises:
        RefusedItemError: It cannot be known.
    """
    if item.collection == "sentinel-2-c1-l2a":
        return OFFSET
    applied = item.properties.get(APPLIED)
    if applied is True:
        return 0.0
    baseline = _baseline(item)
    if baseline is not None and baseline < 4:
        return 0.0
    if baseline is None or applied is False:
        if stated:
            return OFFSET if stated == "pending" else 0.0
        what = f"{APPLIED} is false, which was found to be wrong" if applied is False else "it has no baseline"
        raise RefusedItemError(
            f"{item.id}: {what}, so whether its values are shifted by 1000 is unknown; use --catalog planetary, or "
            "--collection sentinel-2-c1-l2a, or say --sentinel2-shift pending or applied"
        )
    return OFFSET


def _baseline(item: Item) -> float | None:
    """Return the processing baseline from the record or, as `N0400`, from the product's name."""
    in_name = re.search(r"_N(\d\d)(\d\d)_", item.id)
    try:
        return float(item.baseline or (f"{in_name[1]}.{in_name[2]}" if in_name else ""))
    except ValueError:
        return None


def _check_values(bands: Mapping[str, NDArray[np.floating]], item: Item) -> None:
    """Refuse an image whose blue and red become negative in that many pixels that the offset was not pending."""
    dark = [bands[name] for name in ("BLUE", "RED") if name in bands and len(bands[name]) >= MIN_CHECKED]
    shares = [float((values < 0).mean()) for values in dark]
    if shares and min(shares) > MAX_NEGATIVE:
        raise RefusedItemError(
            f"{item.id}: {min(shares):.0%} of blue and red would be negative, so its offset must have been applied "
            "before; say --sentinel2-shift applied if that is so"
        )


def _decode(values: NDArray[np.generic], item: Item, stated: str | None) -> NDArray[np.floating]:
    return values.astype(np.float32) + np.float32(stored_offset(item, stated))


SENTINEL2 = Source(
    name="sentinel2",
    products={
        "planetary": (Product("sentinel-2-l2a", CODES, "SCL"),),
        "earthsearch": (Product("sentinel-2-c1-l2a", EARTHSEARCH, "scl"),),
        "cdse": (Product("sentinel-2-l2a", CDSE, "SCL_20m"),),
    },
    bands=PRITHVI_BANDS,
    first_day={"": date(2015, 6, 27)},
    resolution_m=RESOLUTION_M,
    no_data=0,
    decode=_decode,
    check=stored_offset,
    offset=stored_offset,
    check_values=_check_values,
    flags=SCL,
)
