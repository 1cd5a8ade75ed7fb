"""The satellite products by the value of `--source`; to add one, write its file and add a row here."""

from instageo.data.sources.any_stac import ANY_STAC
from instageo.data.sources.hls import HLS, HLS_L30, HLS_S30
from instageo.data.sources.landsat import LANDSAT
from instageo.data.sources.sentinel1 import SENTINEL1
from instageo.data.sources.sentinel2 import SENTINEL2
from instageo.data.sources.source import Source
from instageo.errors import ConfigError, did_you_mean

SOURCES = {source.name: source for source in (HLS, HLS_S30, HLS_L30, SENTINEL2, LANDSAT, SENTINEL1, ANY_STAC)}


def find_source(name: str) -> Source:
    """Return the product with a name of `SOURCES`.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in SOURCES:
        raise ConfigError(f"source={name} is unknown; choose one of {', '.join(SOURCES)}{did_you_mean(name, SOURCES)}")
    return SOURCES[name]
