"""Any collection of a STAC catalogue: values as its files store them, bands by the assets that the user names.

Chips are float32, since the values may be fractions, and nothing is said of their unit.
"""

from datetime import date

from instageo.data.sources.source import Product, Source, as_stored

ANY_STAC = Source(
    name="stac",
    products={"": (Product("", {}),)},
    bands=(),
    first_day={"": date.min},
    resolution_m={"": 0.0},
    no_data=float("nan"),
    decode=as_stored,
    dtype="float32",
    unit="as stored",
    processing_level=None,
)
