"""Options of areas that would have no effect on maps of a product are refused, each in one sentence."""

from datetime import date

import pytest

from instageo.area_maps.preparation.option_checks import check_options
from instageo.area_maps.request import AreaRequest, Days
from instageo.data.sources.sources import find_source
from instageo.errors import ConfigError

DAYS = (Days(date(2026, 11, 20), date(2026, 11, 26)),)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("sentinel1", {"mask": ("cloud",)}, "mask=cloud: sentinel1 has no quality layer; leave it out"),
        ("sentinel1", {"dilation": 3.0}, "dilation=3: sentinel1 has no quality layer to mask"),
        ("sentinel1", {"max_cloud": 60.0}, "max_cloud=60: sentinel1 sees through clouds"),
        ("sentinel1", {"sentinel2_shift": "pending"}, "sentinel2_shift=pending: values of sentinel1 have no"),
        ("landsat", {"sentinel2_shift": "applied"}, "sentinel2_shift=applied: values of landsat have no such offset"),
    ],
)
def test_options_without_an_effect(source, options, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_options(AreaRequest("36KXD", DAYS, **options), find_source(source))
    assert "\n" not in str(error.value)


def test_options_with_an_effect():
    for source in ("hls", "sentinel2", "landsat"):
        shift = "pending" if source == "sentinel2" else None
        request = AreaRequest("36KXD", DAYS, mask=("cloud",), dilation=3, max_cloud=60, sentinel2_shift=shift)
        check_options(request, find_source(source))
    check_options(AreaRequest("36KXD", DAYS, mask=()), find_source("sentinel1"))  # --mask none, which is so
