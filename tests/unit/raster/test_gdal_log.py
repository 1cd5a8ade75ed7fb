"""Keys of signed URLs in what GDAL logs."""

import logging

import pytest

from instageo.raster.gdal_log import hide_secrets_in_log


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "CPLE_AppDefined in B02.tif?sig=abc%3D: HTTP error code: 503",
            "CPLE_AppDefined in B02.tif: HTTP error code: 503",
        ),
        ("HTTP 503 - https://host/a/B02.tif?sig=abc. Retrying", "HTTP 503 - https://host/a/B02.tif. Retrying"),
        ("no such file; is it there?", "no such file; is it there?"),
    ],
)
def test_keys_are_hidden(message, shown, caplog):  # pitfall 61
    hide_secrets_in_log()
    logging.getLogger("rasterio._env").warning("%s", message)
    assert caplog.messages == [shown]
