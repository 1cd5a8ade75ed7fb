"""Harmonized Landsat Sentinel-2 (HLS v2): S30 from Sentinel-2, L30 from Landsat 8 and 9, one grid of 30 m.

Sources: HLS v2 product user guide (bands, Fmask); reflectance is stored x 10000.
"""

from datetime import date

from instageo.data.sources.source import Product, Source, as_stored
from instageo.products.quality_flags import FMASK
from instageo.sensors import PRITHVI_BANDS, SENSORS

S30 = dict(zip(SENSORS["hls_s30"].bands, SENSORS["hls_s30"].band_codes, strict=True))
L30 = dict(zip(SENSORS["hls_l30"].bands, SENSORS["hls_l30"].band_codes, strict=True))

FIRST_S30, FIRST_L30, FIRST_PLANETARY = date(2015, 11, 28), date(2013, 4, 11), date(2020, 1, 1)


def _source(name: str, *kinds: str) -> Source:
    s30, l30 = "S30" in kinds, "L30" in kinds
    planetary = [Product("hls2-s30", S30, "Fmask")] * s30 + [Product("hls2-l30", L30, "Fmask")] * l30
    lpdaac = [Product("HLSS30_2.0", S30, "Fmask")] * s30 + [Product("HLSL30_2.0", L30, "Fmask")] * l30
    return Source(
        name=name,
        products={"planetary": tuple(planetary), "lpdaac": tuple(lpdaac)},
        bands=PRITHVI_BANDS,
        first_day={
            "hls2-s30": FIRST_PLANETARY, "hls2-l30": FIRST_PLANETARY, "HLSS30_2.0": FIRST_S30, "HLSL30_2.0": FIRST_L30,
            "": FIRST_L30 if l30 else FIRST_S30,
        },
        resolution_m={"": 30.0},
        no_data=-9999,
        decode=as_stored,
        flags=FMASK,
    )  # fmt: skip


HLS = _source("hls", "S30", "L30")
HLS_S30 = _source("hls_s30", "S30")
HLS_L30 = _source("hls_l30", "L30")
