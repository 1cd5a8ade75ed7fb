"""`instageo map`: the same pixels give the same map, however they are stored, and maps lie where the scene lies."""

import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.shutil import copy

from instageo.sensors import PRITHVI_BANDS
from tests.integration.maps import NO_DATA, assert_same, band_options, read_layers, read_map, scene_values, write_raster
from tests.tiffs import UTM_AREA_SCALE, write_masked_tiff

TILED = {"tiled": True, "compress": "deflate"}
LAYOUTS = {
    "256 blocks": {**TILED, "blockxsize": 256, "blockysize": 256, "interleave": "pixel"},
    "blocks by band": {**TILED, "blockxsize": 64, "blockysize": 64, "interleave": "band"},
    "rows": {"blockysize": 1, "compress": "deflate"},
    "rows by band": {"blockysize": 1, "interleave": "band"},
    "one strip": {"blockysize": 530, "compress": "lzw"},
}
FAST = ["--overlap", "4", "--probabilities"]

VALUES = scene_values(530, 40)
"""Two rows of blocks of maps, and of files."""

FILLED = np.where(VALUES == NO_DATA, 700, VALUES)


@pytest.fixture(scope="module")
def reference(tmp_path_factory, small_network):
    """The map of the scene as blocks of 512 pixels, and the file of the scene."""
    from typer.testing import CliRunner

    from instageo.cli import app

    folder = tmp_path_factory.mktemp("reference")
    scene = write_raster(folder / "scene.tif", VALUES, **TILED, blockxsize=512, blockysize=512)
    result = CliRunner().invoke(app, ["map", str(small_network), scene, "-o", str(folder / "map.tif"), *FAST])
    assert result.exit_code == 0, result.output
    return folder / "map.tif", scene


@pytest.fixture
def mapped(instageo, small_network, tmp_path):
    """Map with the small network; returns the path of the map, and what was written to stderr."""

    def call(*arguments):
        status, _, err = instageo("map", small_network, *arguments, "-o", tmp_path / "out" / "map.tif", *FAST)
        assert status == 0, err
        return tmp_path / "out" / "map.tif", err

    return call


def test_the_map_shows_the_classes_of_the_scene(reference):
    path, scene = reference
    classes, probabilities, areas = read_map(path)
    valid = VALUES[0] != NO_DATA
    truth = VALUES.mean(axis=0) > 1400
    assert np.array_equal(classes[0] == 255, ~valid)
    assert (classes[0] == truth)[valid].mean() > 0.95
    assert np.array_equal((probabilities == 255).all(axis=0), ~valid)
    assert [area["pixels"] for area in areas] == [(classes == number).sum() for number in (0, 1)]
    assert areas[0]["hectares"] == pytest.approx(areas[0]["pixels"] * 0.01 / UTM_AREA_SCALE)
    with rasterio.open(path) as file, rasterio.open(scene) as own:
        assert (file.transform, file.crs, file.shape, file.nodata) == (own.transform, own.crs, own.shape, 255)
        assert file.tags()["INSTAGEO_SCENE"] == "scene"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_the_file_does_not_matter(reference, mapped, tmp_path, layout):
    assert_same(mapped(write_raster(tmp_path / "scene.tif", VALUES, **LAYOUTS[layout]))[0], reference[0])


def write_vrt(folder, _):
    write_raster(folder / "own.tif", VALUES)
    copy(folder / "own.tif", folder / "scene.vrt", driver="VRT")
    return [folder / "scene.vrt"]


def write_archive(folder, _):
    with zipfile.ZipFile(folder / "scene.zip", "w") as archive:
        archive.write(write_raster(folder / "scene.tif", VALUES), "inner/scene.tif")
    return [f"/vsizip/{folder}/scene.zip/inner/scene.tif"]


def write_url(_, store):
    folder, url = store
    write_raster(folder / "scene.tif", VALUES, **LAYOUTS["256 blocks"])
    return [f"{url}/scene.tif"]


def write_bands(folder, _):
    return band_options([write_raster(folder / f"{n}.tif", VALUES[n : n + 1]) for n in range(6)])


def write_other_order(folder, _):
    order = [3, 0, 5, 1, 2, 4]
    path = write_raster(folder / "scene.tif", VALUES[order])
    return [path, "--bands", ", ".join(PRITHVI_BANDS[index] for index in order)]


def write_further_bands(folder, _):
    layers = np.concatenate([FILLED[:1] + 9, VALUES])
    return [write_raster(folder / "scene.tif", layers), "--bands", f"PAN,{','.join(PRITHVI_BANDS)}"]


def write_scaled(folder, _):
    stored = np.where(VALUES == NO_DATA, 0, VALUES * 2 + 100).astype(np.uint16)
    path = write_raster(folder / "scene.tif", stored, no_data=0)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = [0.00005] * 6, [-0.005] * 6
    return [path, "--scale-tags", "apply"]


def write_mask(kind):
    def write(folder, _):
        return [write_masked_tiff(folder / "scene.tif", FILLED, VALUES[0] != NO_DATA, kind)]

    return write


def write_type(kind, no_data):
    def write(folder, _):
        values = np.where(VALUES == NO_DATA, no_data, VALUES).astype(kind)
        return [write_raster(folder / "scene.tif", values, no_data=None if np.isnan(no_data) else no_data)]

    return write


STORES = {
    "VRT": write_vrt,
    "in a zip archive": write_archive,
    "URL": write_url,
    "six files": write_bands,
    "another order": write_other_order,
    "further bands": write_further_bands,
    "scale tags": write_scaled,
    "internal mask": write_mask("internal"),
    "side-car mask": write_mask("side-car"),
    "alpha layer": write_mask("alpha"),
    "uint16": write_type(np.uint16, 65535),
    "float32 with NaN": write_type(np.float32, np.nan),
    "float64": write_type(np.float64, -1e30),
}


@pytest.mark.parametrize("kind", STORES)
def test_how_pixels_are_stored_does_not_matter(reference, mapped, tmp_path, store, kind):
    assert_same(mapped(*STORES[kind](tmp_path, store))[0], reference[0])


def test_bytes_are_reflectance_of_another_scale(mapped, tmp_path, capfd):
    values = np.where(VALUES == NO_DATA, 0, VALUES // 10).astype(np.uint8)
    path, err = mapped(write_raster(tmp_path / "scene.tif", values, no_data=0))
    assert "scene: the image has lower values in BLUE, GREEN" in err
    classes, _, _ = read_map(path)
    assert np.array_equal(classes[0] == 255, VALUES[0] == NO_DATA)


def write_control_points(folder):
    place = [(0, 0, 10, 50), (0, 40, 10.1, 50), (530, 0, 10, 49.9), (530, 40, 10.1, 49.9)]
    path = write_raster(folder / "scene.tif", VALUES, crs=None, transform=None)
    with rasterio.open(path, "r+") as file:
        file.gcps = [GroundControlPoint(*point) for point in place], CRS.from_epsg(4326)
    return path


SIDE_M = {"south-up": 10, "rotated": 20}
PLACES = {
    "south-up": {"transform": Affine(10, 0, 500_000, 0, 10, 5_000_000)},
    "rotated": {"transform": Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(20, -20)},
    "no reference system": {"crs": None},
}


@pytest.mark.parametrize("place", PLACES)
def test_maps_lie_where_their_scenes_lie(reference, mapped, tmp_path, place):
    scene = write_raster(tmp_path / "scene.tif", VALUES, **PLACES[place])
    path, _ = mapped(scene)
    assert_same(path, reference[0])
    with rasterio.open(path) as file, rasterio.open(scene) as own:
        assert (file.transform, file.crs) == (own.transform, own.crs)
    for area in read_map(path)[2]:
        side = SIDE_M.get(place)
        assert area["hectares"] == (pytest.approx(area["pixels"] * side**2 / 1e4 / UTM_AREA_SCALE) if side else None)


def test_areas_in_degrees_are_those_of_the_ellipsoid(reference, mapped, tmp_path):
    """A pixel of 0.0001 degrees has 62.168 m² at 60° north (WGS 84, by the integral over its meridian)."""
    path, _ = mapped(
        write_raster(tmp_path / "scene.tif", VALUES, crs="EPSG:4326", transform=Affine(1e-4, 0, 10, 0, -1e-4, 60.0265))
    )
    assert_same(path, reference[0])
    for area in read_map(path)[2]:
        assert area["hectares"] == pytest.approx(area["pixels"] * 62.1680e-4, rel=5e-4)


@pytest.mark.filterwarnings("error")
def test_scenes_without_a_place_have_maps_without_one(reference, mapped, tmp_path, recwarn):
    with pytest.warns(match="no geotransform"):
        scene = write_raster(tmp_path / "scene.tif", VALUES, crs=None, transform=None)
    path, err = mapped(scene)
    assert "Warning" not in err
    with pytest.warns(match="no geotransform"):
        assert_same(path, reference[0])
    assert read_map(path)[2][0]["hectares"] is None


def test_ground_control_points_stay(reference, mapped, tmp_path):
    with pytest.warns(match="no geotransform"):
        scene = write_control_points(tmp_path)
    path, _ = mapped(scene)
    with rasterio.open(path) as file, rasterio.open(scene) as own:
        points = [[(point.row, point.col, point.x, point.y) for point in each.gcps[0]] for each in (file, own)]
        assert points[0] == points[1]
        assert np.array_equal(file.read(), read_layers(reference[0]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (17, 23), (31, 33), (70, 32)])
def test_scenes_smaller_than_a_tile(mapped, tmp_path, shape):
    values = scene_values(80, 120)[:, 10 : 10 + shape[0], 10 : 10 + shape[1]]
    path, _ = mapped(write_raster(tmp_path / "scene.tif", values))
    classes, probabilities, _ = read_map(path)
    assert classes.shape == (1, *shape)
    assert np.array_equal(classes[0] == 255, values[0] == NO_DATA)
    observed = probabilities[:, values[0] != NO_DATA].astype(int)
    assert (np.abs(observed.sum(axis=0) - 254) <= 1).all()


def test_a_scene_without_any_observation_is_told(mapped, tmp_path):
    path, err = mapped(write_raster(tmp_path / "scene.tif", np.full_like(VALUES, NO_DATA)))
    assert "scene: has no valid pixel; all of its map is no-data" in err
    classes, probabilities, areas = read_map(path)
    assert (classes == 255).all()
    assert (probabilities == 255).all()
    assert [area["pixels"] for area in areas] == [0, 0]
