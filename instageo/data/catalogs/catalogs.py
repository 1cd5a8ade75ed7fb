"""Catalogues by name. To add one: an entry in `CATALOGS`, and an access of its own if its files need a login."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from instageo.data.catalogs.access import Access, PlainAccess
from instageo.data.catalogs.cdse import CdseAccess
from instageo.data.catalogs.earthdata import EarthdataAccess
from instageo.data.catalogs.earthsearch import EarthSearchAccess
from instageo.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Catalog:
    """A STAC API.

    Attributes:
        key: Name in options and files; the URL of an API without a name.
        root: URL of the landing page.
        access: Makes what opens its files, from the root.
        page_limit: Items of a page.
        parallel: Searches at a time.
        interval_s: Shortest time between two requests.
    """

    key: str
    root: str
    access: Callable[[str], Access] = PlainAccess
    page_limit: int = 1000
    parallel: int = 2
    interval_s: float = 0.0

    def open_files(self) -> Access:
        """Return what opens the files of its items."""
        return self.access(self.root)


def planetary_access(root: str) -> Access:
    """Return what signs addresses of the Planetary Computer."""
    from instageo.data.catalogs.planetary import PlanetaryAccess

    return PlanetaryAccess(root)


CATALOGS = {
    catalog.key: catalog
    for catalog in (
        Catalog("planetary", "https://planetarycomputer.microsoft.com/api/stac/v1", planetary_access),
        Catalog("earthsearch", "https://earth-search.aws.element84.com/v1", EarthSearchAccess, page_limit=200),
        Catalog("lpdaac", "https://cmr.earthdata.nasa.gov/stac/LPCLOUD", EarthdataAccess, page_limit=100, parallel=1),
        Catalog("cdse", "https://stac.dataspace.copernicus.eu/v1", CdseAccess, page_limit=200, parallel=1,
                interval_s=0.25),
    )
}  # fmt: skip
"""Catalogues by their key."""


def find_catalog(name: str) -> Catalog:
    """Return a catalogue by its key, or that of a URL.

    Raises:
        ConfigError: It is neither.
    """
    if name in CATALOGS:
        return CATALOGS[name]
    parts = urlsplit(name)
    if parts.scheme in ("http", "https") and parts.hostname:
        if parts.username or parts.query:
            raise ConfigError(
                f"catalog={parts.scheme}://{parts.hostname}{parts.path}: has a user or a query, which would be written "
                "to files; pass the URL without it"
            )
        root = name.rstrip("/")
        return next((catalog for catalog in CATALOGS.values() if catalog.root == root), Catalog(root, root))
    raise ConfigError(
        f"catalog={name}: unknown; expected one of {', '.join(CATALOGS)}, the URL of a STAC API, or a list of items "
        f"(.json, .parquet){did_you_mean(name, CATALOGS)}"
    )
