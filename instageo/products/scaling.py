"""From stored values to reflectance: scale and offset of each band, of the sensor or of the metadata of a product."""

import re
from collections.abc import Mapping

from instageo.products.file_names import NamedFile, day_in_name
from instageo.products.listing import Listing
from instageo.products.product_files import ProductFiles
from instageo.products.sentinel2_metadata import MAX_BYTES, METADATA, Sentinel2Metadata, read_sentinel2_metadata
from instageo.sensors import SENSORS

METADATA_NAMES = (METADATA, "product_metadata.xml")
"""What ESA, and Earth Search, call the metadata of a product of Sentinel-2."""

SHIFT, FIRST_SHIFTED_BASELINE = -1000.0, 400
"""Offset of Sentinel-2 from processing baseline 04.00 on."""

_BASELINE = re.compile(r"_N(\d{4})_")


def scaled(listing: Listing, named: NamedFile, bands: Mapping[str, str], quality: str | None) -> ProductFiles:
    """Return the files with scales and offsets: of the sensor, or of the metadata of the product."""
    sensor, day, is_known = SENSORS[named.sensor], named.day, True
    scale, offset = dict.fromkeys(bands, sensor.scale), dict.fromkeys(bands, sensor.offset)
    if named.sensor == "sentinel2_l2a":
        day = day or day_in_name(listing.root.name)
        metadata = _sentinel2_metadata(listing, bands)
        is_known = metadata is not None
        if metadata is not None:
            scale = dict.fromkeys(bands, metadata.scale)
            offset = {band: metadata.offsets.get(band, 0.0) for band in bands}
    return ProductFiles(named.sensor, bands, quality, day, scale, offset, is_known)


def _sentinel2_metadata(listing: Listing, bands: Mapping[str, str]) -> Sentinel2Metadata | None:
    """Return scale and offsets by the metadata or, without, by the processing baseline in the product's name."""
    name = listing.find(*METADATA_NAMES)
    if name is not None:
        return read_sentinel2_metadata(listing.read(name, MAX_BYTES + 1), f"{listing.root}/{name}")
    baseline = _BASELINE.search(listing.root.name.upper())
    if baseline is None:
        return None
    shift = SHIFT if int(baseline[1]) >= FIRST_SHIFTED_BASELINE else 0.0
    return Sentinel2Metadata(offsets=dict.fromkeys(bands, shift))
