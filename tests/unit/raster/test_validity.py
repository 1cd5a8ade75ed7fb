"""Which pixels count: masks of files, alpha layers, and no-data tags that differ or do not fit."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from instageo.errors import RasterError
from instageo.locations import file_stamp
from instageo.raster.cog import read_tiff_header
from instageo.raster.reading import read_info, read_raster
from instageo.raster.validity import stored_value, validity_mask
from instageo.raster.writing import write_raster
from tests.tiffs import MASK_KINDS, set_tag_text, write_layer_tags, write_masked_tiff

NAN, INF = float("nan"), float("inf")

LEFT_HALF = np.array([[False, False, True, True]] * 3)
"""A mask that excludes the left half of 3 x 4 pixels."""


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("kind", MASK_KINDS)
def test_a_mask_excludes_pixels_in_all_layers(tmp_path, kind, dtype):  # pitfall 70
    values = np.full((2, 3, 4), 7, dtype)
    values[1, 0, 3] = 9
    path = write_masked_tiff(tmp_path / "chip.tif", values, LEFT_HALF, kind, tag=9)
    raster = read_raster(path)
    expected = np.stack([LEFT_HALF, LEFT_HALF])
    expected[1, 0, 3] = False  # no-data counts as well
    assert_array_equal(raster.values, values)
    assert_array_equal(raster.valid, expected)
    window = read_raster(path, [1], window=(slice(0, 2), slice(1, 4)))
    assert window.valid[0].tolist() == [[False, True, False], [False, True, True]]


@pytest.mark.parametrize(("kind", "name"), [("internal", "internal"), ("side-car", "side-car"), ("alpha", None)])
def test_metadata_say_where_the_mask_is(tmp_path, kind, name):
    info = read_info(write_masked_tiff(tmp_path / "chip.tif", np.ones((3, 3, 4), np.uint8), LEFT_HALF, kind))
    assert info.mask_kind == name
    assert info.alpha_layer == (3 if kind == "alpha" else None)
    assert info.data_layers == [0, 1, 2]
    plain = read_info(write_masked_tiff(tmp_path / "plain.tif", np.ones((3, 3, 4), np.uint8), LEFT_HALF, None, tag=3))
    assert (plain.mask_kind, plain.alpha_layer, plain.data_layers) == (None, None, [0, 1, 2])


@pytest.mark.parametrize("tag", [None, 200])
def test_an_alpha_layer_is_a_mask_unless_it_is_read(tmp_path, tag):
    """GDAL marks the fourth layer of any file of four uint8 layers as alpha, near infrared or not; a tag hides that."""
    values = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    values[3, 0] = 0
    profile = {"driver": "GTiff", "count": 4, "height": 3, "width": 4, "dtype": "uint8", "nodata": tag}
    with rasterio.open(tmp_path / "chip.tif", "w", crs="EPSG:32617", **profile, transform=(30, 0, 0, 0, -30, 0)) as out:
        out.write(values)
    masked, whole = read_raster(tmp_path / "chip.tif"), read_raster(tmp_path / "chip.tif", range(4))
    assert read_info(tmp_path / "chip.tif").alpha_layer == 3
    assert_array_equal(masked.values, values[:3])
    assert_array_equal(masked.valid, np.broadcast_to([[[False]], [[True]], [[True]]], (3, 3, 4)).swapaxes(0, 1))
    assert_array_equal(whole.values, values)
    assert whole.valid.all()
    assert read_raster(tmp_path / "chip.tif", [3, 0]).valid.all()


def test_four_layers_that_we_write_have_no_alpha(make_raster, tmp_path):
    values = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    assert_array_equal(read_raster(make_raster("chip.tif", values)).values, values)
    source = replace(read_info(tmp_path / "chip.tif"), alpha_layer=3)
    marked = make_raster("marked.tif", values, source=source)
    assert read_info(marked).alpha_layer == 3
    assert_array_equal(read_raster(marked).values, values[:3])


def test_a_layer_alone_is_never_alpha(tmp_path):
    with rasterio.open(
        tmp_path / "label.tif", "w", driver="GTiff", count=1, height=1, width=2, dtype="uint8", crs="EPSG:32617",
        transform=(30, 0, 0, 0, -30, 0),
    ) as out:  # fmt: skip
        out.colorinterp = [rasterio.enums.ColorInterp.alpha]
        out.write(np.array([[[0, 1]]], np.uint8))
    assert read_raster(tmp_path / "label.tif").valid.tolist() == [[[True, True]]]


def test_layers_may_have_masks_of_their_own(make_raster):
    path = make_raster("chip.tif", np.ones((3, 1, 4), np.int16))
    profile = {"driver": "GTiff", "count": 3, "height": 1, "width": 4, "dtype": "uint8"}
    with rasterio.open(f"{path}.msk", "w", crs="EPSG:32617", **profile, transform=(30, 0, 0, 0, -30, 0)) as out:
        out.write(np.array([[[0, 255, 255, 255]], [[255, 0, 255, 255]], [[0, 0, 0, 0]]], np.uint8))
        out.update_tags(INTERNAL_MASK_FLAGS_1="0", INTERNAL_MASK_FLAGS_2="0")  # the third has none
    valid = [[False, True, True, True], [True, False, True, True], [True, True, True, True]]
    assert read_raster(path).valid[:, 0].tolist() == valid
    assert read_raster(path, [2, 0]).valid[:, 0].tolist() == [valid[2], valid[0]]


def test_the_tag_nodata_values_excludes_pixels_that_equal_it_in_all_layers(make_raster):
    values = np.array([[[0, 0, 5]], [[0, 1, 0]]], np.uint8)
    path = make_raster("chip.tif", values, tags={"NODATA_VALUES": "0 0"})
    assert read_raster(path).valid[:, 0].tolist() == [[False, True, True]] * 2
    assert read_info(path).mask_kind == "NODATA_VALUES"


def test_two_layers_with_different_tags(make_raster):
    """Each tag counts in its own layer alone, and a layer without one keeps its values."""
    path = make_raster("chip.tif", np.array([[[1, 3, 5]]] * 3, np.int16))
    write_layer_tags(path, [3, 1, None])
    assert read_raster(path).valid[:, 0].tolist() == [[True, False, True], [False, True, True], [True, True, True]]
    assert read_raster(path, [1]).valid[0, 0].tolist() == [False, True, True]
    assert read_raster(path, no_data_value=5).valid[:, 0].tolist() == [
        [True, False, False], [False, True, False], [True, True, False],
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["other size", "no raster"])
def test_a_side_car_mask_that_cannot_be_used(make_raster, content):
    path = make_raster("chip.tif", np.ones((2, 3, 4), np.int16))
    if content == "no raster":
        path.with_name("chip.tif.msk").write_text("no raster")
        assert read_raster(path).valid.all()  # GDAL does not take it as a mask
        return
    profile = {"driver": "GTiff", "count": 1, "height": 2, "width": 2, "dtype": "uint8"}
    with rasterio.open(f"{path}.msk", "w", crs="EPSG:32617", **profile, transform=(30, 0, 0, 0, -30, 0)) as out:
        out.update_tags(INTERNAL_MASK_FLAGS_1="2")
    with pytest.raises(RasterError, match=r"chip\.tif: its mask cannot be read .*; a mask needs as many rows and col"):
        read_raster(path)


@pytest.mark.parametrize(
    ("dtype", "text", "stored", "valid"),
    [
        ("float32", "-1.7976931348623157e+308", [-3.4028234663852886e38, 0, 5], [False, True, True]),
        ("float32", "-1.8e308", [-3.4028234663852886e38, 3.4028234663852886e38, 5], [False, True, True]),
        ("float32", "1e39", [3.4028234663852886e38, -3.4028234663852886e38, 5], [False, True, True]),
        ("float32", "-3.4028235e38", [-3.4028234663852886e38, 0, 5], [False, True, True]),
        ("float32", "nan", [NAN, 0, 5], [False, True, True]),
        ("float64", "-1.8e308", [-1.7976931348623157e308, 0, 5], [False, True, True]),
        ("uint16", "-9999", [0, 55537, 65535], [True, True, True]),
        ("uint8", "-9999", [0, 241, 255], [True, True, True]),
        ("uint8", "0.5", [0, 1, 255], [True, True, True]),
        ("uint64", "18446744073709551615", [2**64 - 1, 2**63, 5], [False, True, True]),
        ("int64", "9007199254740993", [2**53, 2**53 + 1, 5], [True, False, True]),
        ("int64", "-9223372036854775808", [-(2**63), 0, 5], [False, True, True]),
    ],
)
def test_no_data_tags_at_and_beyond_the_limits_of_a_type(make_raster, dtype, text, stored, valid):  # pitfall 71
    path = make_raster("chip.tif", np.array([stored], dtype), no_data_value=7)
    set_tag_text(path, text)
    assert read_raster(path).valid[0, 0].tolist() == valid


def test_the_tag_in_metadata_can_be_written_again(make_raster):
    path = make_raster("chip.tif", np.zeros((1, 2), np.float32), no_data_value=7)
    set_tag_text(path, "-1.8e308")
    copy = make_raster("copy.tif", np.zeros((1, 2), np.float32), no_data_value=read_info(path).no_data_value)
    assert read_info(copy).no_data_value == np.finfo(np.float32).min


def test_arrays_follow_the_same_rule():
    values = np.array([[[1.0, NAN, 3.0, -INF]], [[1.0, 2.0, 3.0, 4.0]]], np.float32)
    mask = np.array([[[True, True, True, False]]])
    assert validity_mask(values, [1.0, 2.0], 3.0).tolist() == [
        [[False, False, False, False]],
        [[True, False, False, True]],
    ]
    assert validity_mask(values, [None, None], None, mask).tolist() == [
        [[True, False, True, False]], [[True, True, True, False]],
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_pixels_are_refused(tmp_path, dtype):  # pitfall 73
    profile = {"driver": "GTiff", "count": 1, "height": 1, "width": 1, "crs": "EPSG:32617"}
    with rasterio.open(tmp_path / "sar.tif", "w", dtype=dtype, **profile, transform=(30, 0, 0, 0, -30, 0)) as out:
        out.write(np.ones((1, 1, 1), np.complex64))
    for read in (read_info, read_raster):
        with pytest.raises(RasterError, match=rf"sar\.tif: has complex values \({dtype}\), but pixels need to be real"):
            read(tmp_path / "sar.tif")
    with pytest.raises(RasterError, match=f"the image: has complex values .{dtype}"):
        read_tiff_header(tmp_path / "sar.tif")


def test_a_mask_is_written_only_where_it_excludes_pixels(tmp_path, grid):
    values = np.ones((2, 3, 4), np.int16)
    write_raster(tmp_path / "masked.tif", values, grid(3, 4), valid=LEFT_HALF)
    write_raster(tmp_path / "plain.tif", values, grid(3, 4), valid=np.ones((3, 4), bool))
    assert_array_equal(read_raster(tmp_path / "masked.tif").valid, [LEFT_HALF] * 2)
    assert read_info(tmp_path / "plain.tif").mask_kind is None
    assert {path.name for path in tmp_path.iterdir()} == {"masked.tif", "plain.tif"}


@pytest.mark.parametrize("suffix", [".msk", ".aux.xml"])
def test_the_stamp_of_a_file_changes_with_its_side_cars(make_raster, suffix):
    path = make_raster("chip.tif", np.ones((1, 2), np.int16))
    side_car = path.with_name(path.name + suffix)
    before = file_stamp(path)
    side_car.write_text("<PAMDataset/>")
    with_side_car = file_stamp(path)
    side_car.write_text("<PAMDataset></PAMDataset>")
    assert len({before, with_side_car, file_stamp(path)}) == 3
    side_car.unlink()
    assert file_stamp(path) == before


def test_a_value_keeps_its_kind_whatever_was_asked_before():
    for asked in (37, 37.0, 37):
        assert type(stored_value(asked, np.dtype("uint8"))) is type(asked)
