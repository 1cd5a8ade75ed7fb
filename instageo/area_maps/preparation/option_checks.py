"""Options of areas that would have no effect on maps of a product."""

from instageo.area_maps.request import AreaRequest
from instageo.data.sources.source import Source
from instageo.errors import ConfigError


def check_options(request: AreaRequest, source: Source) -> None:
    """Raise a ConfigError if a request names something that images of its product do not have."""
    name = source.name
    if request.mask and not source.flags:
        raise ConfigError(f"mask={','.join(request.mask)}: {name} has no quality layer; leave it out")
    if request.dilation and not source.flags:
        raise ConfigError(f"dilation={request.dilation:g}: {name} has no quality layer to mask; leave it out")
    if request.max_cloud < 100 and source.radar_unit is not None:
        raise ConfigError(f"max_cloud={request.max_cloud:g}: {name} sees through clouds; leave it out")
    if request.sentinel2_shift is not None and source.offset is None:
        raise ConfigError(
            f"sentinel2_shift={request.sentinel2_shift}: values of {name} have no such offset; leave it out"
        )
