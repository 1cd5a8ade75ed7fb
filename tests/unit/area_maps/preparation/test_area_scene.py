"""Which product a model is mapped with, and at which pixel size."""

from types import SimpleNamespace

import pytest

from instageo.area_maps.preparation.area_scene import choose_resolution, choose_source
from instageo.errors import ConfigError
from instageo.sensors import PRITHVI_BANDS


def model(sensor=None, band_names=None, radar_unit=None):
    """Return what is asked of a model: the settings of its chips."""
    data = SimpleNamespace(
        sensor=sensor, band_names=band_names, radar_unit=radar_unit, given_mean=None, bands=None, temporal_dim=1
    )
    return SimpleNamespace(settings=SimpleNamespace(dataloader=data))


RED_EDGE = [*PRITHVI_BANDS, "RED_EDGE_1"]
S1 = {"sensor": "sentinel1_rtc", "band_names": ["VV", "VH"], "radar_unit": "linear"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, "hls"),
        ({"sensor": "hls_s30", "band_names": PRITHVI_BANDS}, "hls"),
        ({"sensor": "hls_s30", "band_names": RED_EDGE}, "hls_s30"),
        ({"sensor": "sentinel2_l2a", "band_names": RED_EDGE}, "sentinel2"),
        ({"sensor": "landsat8_c2", "band_names": PRITHVI_BANDS}, "landsat"),
        (S1, "sentinel1"),
        ({"band_names": ["VV"], "radar_unit": "db"}, "sentinel1"),
    ],
)
def test_the_product_is_that_of_the_training_chips(own, expected):
    """HLS L30 has no red edge, so models with it take S30 alone."""
    assert choose_source(model(**own), None).name == expected


@pytest.mark.parametrize(
    ("own", "name", "message"),
    [
        ({"band_names": RED_EDGE}, "landsat", "source=landsat: lacks RED_EDGE_1, which the model needs"),
        ({"band_names": RED_EDGE}, "hls", "source=hls: lacks RED_EDGE_1, which the model needs"),
        ({}, "sentinel1", "source=sentinel1: has radar backscatter, but the model was trained on reflectance"),
        (S1, "sentinel2", "source=sentinel2: has reflectance, but the model was trained on radar backscatter"),
    ],
)
def test_a_product_that_does_not_fit_is_refused(own, name, message):
    with pytest.raises(ConfigError, match=message):
        choose_source(model(**own), name)


@pytest.mark.parametrize(
    ("own", "name", "wanted", "expected"),
    [
        ({}, "hls", None, None),
        ({}, "sentinel2", None, 30.0),
        ({}, "sentinel2", 20.0, 20.0),
        ({}, "landsat", None, None),
        ({"sensor": "sentinel2_l2a", "band_names": PRITHVI_BANDS}, "hls", None, 10.0),
    ],
)
def test_pixels_have_the_size_of_the_training_chips(own, name, wanted, expected):
    own_model = model(**own)
    assert choose_resolution(own_model, choose_source(own_model, name), wanted) == expected
