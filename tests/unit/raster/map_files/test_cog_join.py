"""Joined maps: valid, readable, the same bytes from the same pieces, described as `write_raster` does."""

import json
import struct

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from instageo.errors import RasterError, WriteError
from instageo.raster.grid import Grid
from instageo.raster.ground_control import ControlPoints
from instageo.raster.map_files import cog_structure
from instageo.raster.map_files.cog_join import LayerScale, join_pieces
from instageo.raster.map_files.layout import MapLayout, Piece
from instageo.raster.map_files.overviews import halve_classes, halve_values
from instageo.raster.map_files.pieces import PieceStore
from instageo.raster.map_files.probabilities import PROBABILITY_SCALE
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import ClassLegend, write_raster
from tests import http_server
from tests.disks import file_size_limit, mounted_disk
from tests.unit.raster.map_files.map_runs import CRS_WKT, map_grid, random_pixels, run, sha256, write_missing

LEGEND = ClassLegend(["water", "land"], {0: (0, 0, 255), 1: (10, 20, 30), 3: (1, 2, 3)})
KINDS = {
    "classes": {},
    "uint16": {"dtype": "uint16", "no_data": 65535},
    "planes": {"layers": 3, "overview": "mean"},
    "four planes": {"layers": 4, "overview": "mean"},
    "floats": {"overview": "mean", "dtype": "float32", "no_data": float("nan")},
    "no no-data": {"no_data": None},
}
SIZES = [(50, 90), (7, 5), (33, 64)]


def directories(path):
    """Tags of all images of a TIFF, in the order of the file: values as numbers or bytes, and where they are stored."""
    content = path.read_bytes()
    big = content[2] == 43
    assert content[:4] == (b"II+\0" if big else b"II*\0")
    count_format, entry_format, offset_format = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
    inline = struct.calcsize(offset_format)
    (position,) = struct.unpack_from(offset_format, content, 8 if big else 4)
    found = []
    while position:
        assert position % 2 == 0
        (count,) = struct.unpack_from(count_format, content, position)
        tags, place = {"start": position, "end": 0}, position + struct.calcsize(count_format)
        for _ in range(count):
            code, kind, number = struct.unpack_from(entry_format, content, place)
            place += struct.calcsize(entry_format)
            numpy_type = np.dtype({2: "S1", 3: "<u2", 4: "<u4", 12: "<f8", 16: "<u8"}[kind])
            start = place
            if number * numpy_type.itemsize > inline:
                (start,) = struct.unpack_from(offset_format, content, place)
            tags[code] = np.frombuffer(content, numpy_type, number, start).tolist()
            tags["end"] = max(tags["end"], start + number * numpy_type.itemsize)
            place += inline
        codes = [code for code in tags if isinstance(code, int)]
        assert codes == sorted(codes)
        found.append(tags)
        (position,) = struct.unpack_from(offset_format, content, place)
    return content, found


def check_structure(path, layout):
    """Compare the parts of a file with the promises of its header."""
    content, images = directories(path)
    assert [(image[257][0], image[256][0]) for image in images] == layout.level_shapes
    assert [image.get(254, [0]) for image in images] == [[0]] + [[1]] * (len(images) - 1)
    assert all((image[322], image[323]) == ([layout.block], [layout.block]) for image in images)
    assert all(len(image[324]) == len(image[325]) for image in images)
    starts = [image["start"] for image in images]
    assert starts == sorted(starts)
    position = max(image["end"] + image["end"] % 2 for image in images)
    header = 16 if content[2] == 43 else 8
    assert content[header:].startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nLAYOUT=IFDS_BEFORE_DATA\n")
    assert content[header + 43 + 139 : header + 43 + 140] == b" "
    for image in reversed(images):
        for offset, size in zip(image[324], image[325], strict=True):
            assert offset == position + 4
            assert struct.unpack_from("<I", content, position) == (size,)
            block = content[offset : offset + size]
            assert content[offset + size : offset + size + 4] == block[-4:]
            position = offset + size + 4
    assert position == len(content)
    return images


@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_joined_maps_are_valid_and_hold_all_levels(tmp_path, monkeypatch, size, kind, big):
    if big:
        monkeypatch.setattr(cog_structure, "BIG_TIFF_BYTES", 0)
    layout = MapLayout(*size, block=16, **KINDS[kind])
    path = run(tmp_path, layout)
    assert cog_validate(path, strict=True) == (True, [], [])
    images = check_structure(path, layout)
    assert path.read_bytes()[2] == (43 if big else 42)
    halve = halve_classes if layout.overview == "mode" else halve_values
    expected = random_pixels(layout)
    for level in range(len(images)):
        with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as source:
            assert_array_equal(source.read(), expected)
            assert_array_equal(source.nodata, layout.no_data)
            assert source.dtypes == (layout.dtype,) * layout.layers
            assert source.compression.name == "deflate"
            assert source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == (None if level else "COG")
            assert ColorInterp.alpha not in source.colorinterp
        expected = halve(expected, layout.no_data)


@pytest.mark.parametrize("size", [(100, 90), (33, 64)])
def test_the_bytes_do_not_depend_on_panels_nor_on_an_earlier_run(tmp_path, size):
    hashes = set()
    for num_panels in (1, 2, 3):
        folder = tmp_path / str(num_panels)
        folder.mkdir()
        layout = MapLayout(*size, block=16, num_panels=num_panels)
        for _ in range(2):
            hashes.add(sha256(run(folder, layout, legend=LEGEND, tags={"B": "1", "A": "2"})))
    assert len(hashes) == 1


def test_names_classes_colours_scales_and_tags_are_those_of_write_raster(tmp_path):
    layout, tags = MapLayout(40, 50, block=16), {"MODEL": "crops & fields <1>", "DATE": "2024-05-01"}
    path = run(tmp_path, layout, tags=tags, band_names=["class"], legend=LEGEND)
    write_raster(
        tmp_path / "expected.tif", random_pixels(layout), map_grid(layout), no_data_value=255, bands=["class"],
        legend=LEGEND, tags=tags,
    )  # fmt: skip
    with rasterio.open(path) as source, rasterio.open(tmp_path / "expected.tif") as expected:
        assert source.tags() == expected.tags()
        assert json.loads(source.tags()["CLASS_NAMES"]) == ["water", "land"]
        assert source.tags(1) == expected.tags(1) == {"CLASS_0": "water", "CLASS_1": "land"}
        assert source.descriptions == ("class",)
        assert source.colormap(1) == expected.colormap(1)
        assert source.colormap(1)[1] == (10, 20, 30, 255)
        assert source.colorinterp == (ColorInterp.palette,)
    with rasterio.open(path, overview_level=1) as overview:
        assert overview.colormap(1)[1] == (10, 20, 30, 255)
        assert overview.nodata == 255
    assert read_info(path) == read_info(tmp_path / "expected.tif")


def test_scales_and_offsets_are_tags_of_the_layers(tmp_path):
    layout = MapLayout(40, 50, layers=2, block=16, overview="mean")
    scales = [LayerScale(PROBABILITY_SCALE), LayerScale(0.5, -3)]
    path = run(tmp_path, layout, scales=scales, band_names=["water", "land"])
    info = read_info(path)
    assert (info.scales, info.offsets) == ((1 / 254, 0.5), (0, -3))
    assert info.descriptions == ("water", "land")


POINTS = ((0.0, 0.0, 10.0, 50.0, 0.0), (0.0, 50.0, 11.0, 50.1, 0.0), (40.0, 0.0, 10.1, 49.0, 5.0))
RPCS = RPC(
    height_off=100.0, height_scale=500.0, lat_off=50.0, lat_scale=0.1, line_off=20.0, line_scale=20.0,
    line_num_coeff=[0.0, 0.0, -1.0] + [0.0] * 17, line_den_coeff=[1.0] + [0.0] * 19, long_off=10.0, long_scale=0.1,
    samp_off=25.0, samp_scale=25.0, samp_num_coeff=[0.0, 1.0] + [0.0] * 18, samp_den_coeff=[1.0] + [0.0] * 19,
    err_bias=None, err_rand=None,
)  # fmt: skip
WGS_84, LAEA = CRS.from_epsg(4326).to_wkt(), CRS.from_epsg(3035).to_wkt()


@pytest.mark.parametrize(
    "grid",
    [
        Grid(CRS_WKT, Affine(10, 0, 5e5, 0, 10, 4e6), 40, 50),
        Grid(LAEA, Affine(8, 6, 4e6, 6, -8, 3e6), 40, 50),
        Grid(WGS_84, Affine(0.0001, 0, 179.999, 0, -0.0002, 10), 40, 50),
        Grid("LOCAL_CS[\"site\",UNIT[\"metre\",1]]", Affine(2, 0, 5, 0, -2, 7), 40, 50),
        Grid(None, Affine(2, 0, 5, 0, -2, 7), 40, 50),
        Grid(None, Affine.identity(), 40, 50),
        Grid(None, Affine.identity(), 40, 50, control_points=ControlPoints(WGS_84, POINTS)),
        Grid(None, Affine.identity(), 40, 50, rpcs=RPCS),
    ],
    ids=["south-up", "rotated", "geographic", "local", "no CRS", "nowhere", "control points", "polynomials"],
)  # fmt: skip
def test_positions_are_those_of_write_raster(tmp_path, grid):
    layout = MapLayout(40, 50, block=16)
    store = PieceStore(tmp_path / "parts", layout)
    write_missing(store, random_pixels(layout))
    join_pieces(store, tmp_path / "map.tif", grid=grid)
    write_raster(tmp_path / "expected.tif", random_pixels(layout), grid)
    found, expected = (read_info(tmp_path / name).grid for name in ("map.tif", "expected.tif"))
    assert found == expected
    assert (found.transform, found.control_points is None) == (grid.transform, grid.control_points is None)
    assert (found.rpcs is None) == (grid.rpcs is None)
    assert found.matches(grid)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected.tif", "map.tif", "parts"]


def test_a_map_of_one_block_has_no_overviews(tmp_path):
    path = run(tmp_path, MapLayout(512, 300))
    with rasterio.open(path) as source:
        assert source.overviews(1) == []
        assert source.block_shapes == [(512, 512)]
    assert cog_validate(path, strict=True) == (True, [], [])


def test_blocks_without_data_are_stored_too(tmp_path):
    layout = MapLayout(64, 64, block=16)
    store = PieceStore(tmp_path / "parts", layout)
    write_missing(store, np.full((1, 64, 64), 255, np.uint8))
    join_pieces(store, tmp_path / "map.tif", grid=map_grid(layout))
    images = check_structure(tmp_path / "map.tif", layout)
    assert all(min(image[325]) > 0 for image in images)
    assert not read_raster(tmp_path / "map.tif").valid.any()
    assert cog_validate(tmp_path / "map.tif", strict=True) == (True, [], [])


def test_a_map_behind_a_url_is_opened_and_shown_with_one_request(tmp_path):
    layout = MapLayout(1000, 800, block=128)
    path = run(tmp_path, layout)
    pixels = random_pixels(layout)
    assert path.stat().st_size > 2 * 16_384  # GDAL's first request
    with http_server.running(tmp_path) as port, rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        url = f"http://127.0.0.1:{port}/map.tif"
        with rasterio.open(url, overview_level=2) as source:
            small = source.read()
        assert [method for method, _ in http_server.requests(port)] == ["HEAD", "GET"]
        with rasterio.open(url) as source:  # GDAL takes the sizes of blocks from what lies between them
            assert_array_equal(source.read(window=Window(100, 200, 300, 150)), pixels[:, 200:350, 100:400])
    with rasterio.open(path, overview_level=2) as source:
        assert_array_equal(small, source.read())


def test_a_map_with_missing_or_damaged_pieces_is_not_joined(tmp_path):
    layout = MapLayout(100, 90, block=16)
    run(tmp_path, layout).unlink()
    store = PieceStore(tmp_path / "map.tif.parts", layout)
    whole = store.path(Piece(0, 0, 3)).read_bytes()
    for content in (whole[:-200], b"", whole[:100], bytes(len(whole))):
        store.path(Piece(0, 0, 3)).write_bytes(content)
        with pytest.raises(
            RasterError, match=r"row3\.tif: this piece of a map is damaged; remove it and run the command again"
        ):
            join_pieces(store, tmp_path / "map.tif", grid=map_grid(layout))
    store.path(Piece(0, 0, 3)).unlink()
    with pytest.raises(
        RasterError, match=r"map\.tif: cannot be joined, because 1 piece is missing in .*parts; run again"
    ):
        join_pieces(store, tmp_path / "map.tif", grid=map_grid(layout))
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif.parts"]


def test_grid_and_scales_must_fit_the_layout(tmp_path):
    store = PieceStore(tmp_path / "parts", MapLayout(40, 50, block=16))
    with pytest.raises(ValueError, match=r"grid \(40, 51\)"):
        join_pieces(store, tmp_path / "map.tif", grid=Grid(None, Affine.identity(), 40, 51))
    with pytest.raises(ValueError, match="2 scales"):
        join_pieces(store, tmp_path / "map.tif", grid=map_grid(store.layout), scales=[LayerScale(), LayerScale()])


def test_what_a_killed_run_left_of_the_map_is_removed(tmp_path):
    (tmp_path / ".map.tif.0123456789ab.part").write_bytes(b"half a map")
    run(tmp_path, MapLayout(40, 50, block=16))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "map.tif.parts"]


@pytest.mark.parametrize("limit", ["disk", "file size"])
def test_a_full_disk_leaves_the_old_map_and_the_pieces(tmp_path, limit):
    layout = MapLayout(400, 400, block=32, layers=3, overview="mean")
    store = PieceStore(tmp_path / "parts", layout)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 400, 400)).astype(np.uint8)
    write_missing(store, pixels)
    with mounted_disk(tmp_path / "disk", "256k"):
        target = tmp_path / "disk" / "map.tif" if limit == "disk" else tmp_path / "map.tif"
        target.write_bytes(b"the old map")
        message = "No space left on device" if limit == "disk" else "limit of a file's size"
        with file_size_limit(100_000 if limit == "file size" else 2**40), pytest.raises(WriteError, match=message) as e:
            join_pieces(store, target, grid=map_grid(layout))
        assert str(e.value).startswith(f"{target}: cannot be written")
        assert "\n" not in str(e.value)
        assert target.read_bytes() == b"the old map"
        assert [path.name for path in target.parent.iterdir() if path.is_file()] == ["map.tif"]
    join_pieces(store, tmp_path / "map.tif", grid=map_grid(layout))
    assert_array_equal(read_raster(tmp_path / "map.tif").values, pixels)
