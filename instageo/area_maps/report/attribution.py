"""Whose data a map was made of, as the licences of the collections ask for."""

import re
from collections.abc import Sequence

from instageo.area_maps.results import MappedImage

COPERNICUS = (
    "Contains modified Copernicus Sentinel data {years}, free, full and open under the legal notice on the use of "
    "Copernicus Sentinel data."
)

CREDITS: tuple[tuple[str, str], ...] = (
    (
        r"hls",
        "NASA Harmonized Landsat and Sentinel-2 (HLS) v2.0, {years}, NASA LP DAAC at the USGS EROS Center, "
        "doi:10.5067/HLS/HLSS30.002 and doi:10.5067/HLS/HLSL30.002; open without restriction.",
    ),
    (r"hls.*s30|sentinel", COPERNICUS),
    (r"hls.*l30|landsat", "Landsat images {years} courtesy of the U.S. Geological Survey; public domain."),
)
"""Credits by patterns of the names of collections; {years} becomes the years of the images."""


def credits_of(images: Sequence[MappedImage]) -> list[str]:
    """Return one sentence for each owner of data; for unknown collections one that says so."""
    collections = sorted({image.collection for image in images})
    lines = []
    for pattern, sentence in CREDITS:
        own = [image.time.year for image in images if re.search(pattern, image.collection.lower())]
        if own:
            years = f"{min(own)}" if min(own) == max(own) else f"{min(own)} to {max(own)}"
            lines.append(sentence.format(years=years))
    unknown = [name for name in collections if not any(re.search(pattern, name.lower()) for pattern, _ in CREDITS)]
    if unknown:
        lines.append(f"Collections with terms of their own, which their catalogue states: {', '.join(unknown)}.")
    return lines
