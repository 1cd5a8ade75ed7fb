"""Recognise satellite products that users have on disk by the names of their files."""

from pathlib import Path, PurePosixPath

from instageo.errors import DataError
from instageo.locations import is_remote
from instageo.products.file_names import QUALITY, NamedFile, understand_name
from instageo.products.listing import Listing, list_product
from instageo.products.product_files import ProductFiles
from instageo.products.scaling import scaled
from instageo.sensors import SENSORS

LEVEL_1C = "MTD_MSIL1C.xml"

Found = list[tuple[NamedFile, str]]
"""What names say, with their paths relative to the product."""


def find_product(path: str | Path) -> ProductFiles | None:
    """Return the files of the product in a folder or zip archive.

    It may be a granule of HLS, a scene of Landsat Collection 2 Level-2, Sentinel-2 Level-2A as ESA packs it (SAFE, also
    zipped), or a folder with bands of Sentinel-2 as Earth Search or the Planetary Computer name them.

    Returns:
        None if no name is known, and for URLs and single rasters. Bands may be missing.

    Raises:
        DataError: There are files of two products or dates, two files of one band, or unreadable metadata; or it is
            Sentinel-2 Level-1C.
    """
    listing = None if is_remote(path) else list_product(Path(path))
    if listing is None:
        return None
    if listing.find(LEVEL_1C):
        raise DataError(
            f"{path}: is a Level-1C product, reflectance at the top of the atmosphere; expected Level-2A; download "
            "that, or name the files of the bands"
        )
    named = [(understand_name(PurePosixPath(name).name), name) for name in listing.names]
    found = [(own, name) for own, name in named if own is not None]
    if all(own.band == QUALITY for own, _ in found):
        return None
    _check_one_product(listing, found)
    paths = _choose_files(listing, found)
    bands = {band: paths[band] for band in SENSORS[found[0][0].sensor].bands if band in paths}
    return scaled(listing, found[0][0], bands, paths.get(QUALITY))


def _check_one_product(listing: Listing, found: Found) -> None:
    first, first_name = found[0]
    for own, name in found:
        if (own.product, own.sensor) != (first.product, first.sensor):
            raise DataError(
                f"{listing.root}: holds files of two products, {first.product or first_name} and "
                f"{own.product or name}; put those of each product and date into a folder of their own"
            )


def _choose_files(listing: Listing, found: Found) -> dict[str, str]:
    """Return the path of each band, and of the quality layer, of the highest resolution."""
    chosen: dict[str, tuple[NamedFile, str]] = {}
    for own, name in sorted(found, key=lambda entry: entry[0].resolution_m or 1000):
        other, other_name = chosen.setdefault(own.band, (own, name))
        if other_name != name and other.resolution_m == own.resolution_m:
            raise DataError(
                f"{listing.root}: both {other_name} and {name} hold {own.band or 'the quality layer'}; remove one, or "
                "name the files of the bands"
            )
    return {band: listing.gdal_path(name) for band, (_, name) in chosen.items()}
