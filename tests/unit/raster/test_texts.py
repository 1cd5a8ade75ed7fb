"""Files whose texts are not UTF-8, as a damaged header or an old program leaves them."""

import numpy as np
import pytest
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.cog import read_tiff_header
from instageo.raster.reading import read_info, read_raster

PLACE = CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84").to_wkt().replace("unknown", "Plateau")


@pytest.mark.parametrize(("text", "other"), [(b"Plateau", b"Pl\xe2teau"), (b"vegetation", b"v\xe9g\xe9tation")])
def test_texts_that_are_not_utf8_are_one_sentence(make_raster, text, other):
    path = make_raster("chip.tif", np.ones((4, 4), np.uint8), crs=PLACE, bands=["vegetation"])
    content = path.read_bytes()
    assert text in content
    path.write_bytes(content.replace(text, other))
    shown = other.decode(errors="replace")
    for read in (read_info, read_raster):
        with pytest.raises(RasterError, match=rf"chip.tif: cannot be read, because .* is not UTF-8 text .*{shown}"):
            read(path)
    if text == b"Plateau":
        with pytest.raises(RasterError, match=r"the image cannot be read, because .* not UTF-8"):
            read_tiff_header(path)
