"""No-data tags that no pixel can have are noticed."""

import numpy as np
import pytest
import rasterio

from instageo.raster.no_data_tags import describe_unfit_no_data
from tests.tiffs import set_tag_text, write_layer_tags


@pytest.mark.parametrize(
    ("dtype", "layers", "text", "found"),
    [
        ("uint16", 3, "-9999", "-9999 does not fit uint16"),
        ("uint8", 1, "-1", "-1 does not fit uint8"),
        ("uint8", 1, "256", "256 does not fit uint8"),
        ("uint8", 2, "0.5", "0.5 does not fit uint8"),
        ("uint8", 1, "nan", "nan does not fit uint8"),
        ("uint8", 1, "none", "none does not fit uint8"),
        ("uint8", 1, "é", "\ufffd\ufffd does not fit uint8"),  # two bytes that are not ASCII
        ("int8", 1, "255", "255 does not fit int8"),
        ("int16", 13, "32768", "32768 does not fit int16"),
        ("int32", 1, "1e20", "1e+20 does not fit int32"),
        ("int8", 1, "128", "128 does not fit int8"),
        ("int8", 1, "-129", "-129 does not fit int8"),
        ("uint16", 1, "65536", "65536 does not fit uint16"),
        ("int32", 1, "2147483648", "2147483648 does not fit int32"),
        ("uint8", 1, "255", None),
        ("int8", 1, "127", None),
        ("int32", 1, "2147483647", None),
        ("uint8", 1, "0", None),
        ("int8", 1, "-128", None),
        ("int16", 2, "-9999", None),
        ("int16", 2, "-32768.0", None),
        ("uint32", 2, "4294967295", None),
        ("uint64", 1, "18446744073709551615", None),
        ("float32", 1, "1e300", None),
    ],
)
def test_a_tag_that_does_not_fit_its_type(make_raster, dtype, layers, text, found):  # pitfall 71
    path = make_raster("chip.tif", np.ones((layers, 2, 2), dtype), no_data_value=7)
    set_tag_text(path, text)
    assert describe_unfit_no_data(path) == (found and f"the no-data tag {found}, so no pixel is no-data")


@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_every_kind_of_tiff_is_read(tmp_path, big, endianness):
    path = tmp_path / "chip.tif"
    profile = {"driver": "GTiff", "count": 5, "height": 2, "width": 2, "dtype": "int16", "crs": "EPSG:32617"}
    options = {"BIGTIFF": big, "ENDIANNESS": endianness, "transform": (30, 0, 0, 0, -30, 0), "nodata": -9999}
    with rasterio.open(path, "w", **profile, **options) as out:
        out.write(np.ones((5, 2, 2), np.int16))
    assert describe_unfit_no_data(path) is None
    write_layer_tags(path, [None, "-9.999900000000E+04"])
    assert describe_unfit_no_data(path) == "the no-data tag -99999 does not fit int16, so no pixel is no-data"


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"no raster at all", b"MM\0*\0\0\0\x08"])
def test_other_files_are_no_concern(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert describe_unfit_no_data(tmp_path / "file") is None
    assert describe_unfit_no_data(tmp_path / "none.tif") is None


def test_a_side_car_file_takes_precedence(make_raster):
    path = make_raster("chip.tif", np.ones((2, 2), np.uint8), no_data_value=7)
    path.with_name("chip.tif.aux.xml").write_text("<PAMDataset><NoDataValue>\n -1 </NoDataValue></PAMDataset>")
    assert describe_unfit_no_data(path) == "the no-data tag -1 does not fit uint8, so no pixel is no-data"
    path.with_name("chip.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    assert describe_unfit_no_data(path) is None
