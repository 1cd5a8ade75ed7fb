"""Landsat Collection 2 Level-2 surface reflectance: 30 m, scenes by path and row whose extent differs by date.

Source: USGS Landsat Collection 2 Level-2 science product guide: reflectance = 0.0000275 x value - 0.2; QA_PIXEL bits.
"""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Item
from instageo.data.sources.source import Product, Source
from instageo.products.quality_flags import QA_PIXEL
from instageo.sensors import PRITHVI_BANDS

ASSETS = dict(zip(PRITHVI_BANDS, ("blue", "green", "red", "nir08", "swir16", "swir22"), strict=True))

SCALE, OFFSET = 0.275, -2000.0
"""From stored values to reflectance x 10000."""


def _decode(values: NDArray[np.generic], item: Item, stated: str | None) -> NDArray[np.floating]:  # noqa: ARG001
    return np.rint(values.astype(np.float64) * SCALE + OFFSET)


LANDSAT = Source(
    name="landsat",
    products={
        "planetary": (Product("landsat-c2-l2", ASSETS, "qa_pixel"),),
        "earthsearch": (Product("landsat-c2-l2", ASSETS, "qa_pixel"),),
    },
    bands=PRITHVI_BANDS,
    first_day={"": date(1982, 8, 22)},
    resolution_m={"": 30.0},
    no_data=0,
    decode=_decode,
    flags=QA_PIXEL,
    is_tiled=False,
)
