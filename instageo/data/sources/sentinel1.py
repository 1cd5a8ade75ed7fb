"""Sentinel-1 radiometrically terrain-corrected backscatter (RTC): gamma nought in linear power, 10 m."""

from datetime import date

from instageo.data.items.item import Item
from instageo.data.sources.source import Product, RefusedItemError, Source, as_stored

ASSETS = {"VV": "vv", "VH": "vh", "HH": "hh", "HV": "hv"}


def _check(item: Item, stated: str | None) -> None:  # noqa: ARG001
    if "grd" in item.collection.lower():
        raise RefusedItemError(
            f"{item.collection} holds ground-range images, which are neither calibrated nor on a map grid; use "
            "sentinel-1-rtc"
        )


SENTINEL1 = Source(
    name="sentinel1",
    products={"planetary": (Product("sentinel-1-rtc", ASSETS),)},
    bands=("VV", "VH"),
    first_day={"": date(2014, 10, 10)},
    resolution_m={"": 10.0},
    no_data=-32768,
    decode=as_stored,
    check=_check,
    dtype="float32",
    unit="gamma nought, linear power",
    processing_level=None,
    radar_unit="linear",
    sensor="sentinel1_rtc",
    is_tiled=False,
)
