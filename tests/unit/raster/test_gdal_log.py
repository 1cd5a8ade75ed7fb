"""Keys of signed URLs in what GDAL logs, and warnings of rasterio about files without a georeference."""

import logging
import threading
import warnings

import pytest

from instageo.raster.gdal_log import hide_secrets_in_log, ignore_missing_georeference


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


def warn():
    warnings.warn("Dataset has no geotransform, gcps, or rpcs.", UserWarning, stacklevel=1)


def test_threads_that_overlap_leave_the_filters_as_they_were():
    inside, left = threading.Event(), threading.Event()

    def other():
        with ignore_missing_georeference():
            inside.set()
            left.wait(20)
            warn()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        thread = threading.Thread(target=other)
        with ignore_missing_georeference():
            thread.start()
            assert inside.wait(20)
            warn()
        warn()  # the other one still ignores them
        left.set()
        thread.join()
        assert list(warnings.filters) == before
        with pytest.raises(UserWarning, match="no geotransform"):
            warn()
