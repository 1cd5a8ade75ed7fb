import json
import os

import numpy as np
import pytest
import rasterio
from affine import Affine

from instageo.errors import ConfigError, RasterError
from instageo.products.quality_flags import FMASK
from instageo.raster.scenes import blocks
from instageo.raster.scenes.scene import BandSource, QualitySource, open_scene
from tests import http_server
from tests.scenes import TRANSFORM, layers_of, random_scene, scene_of, write_scene, write_vrt, write_zip


def write(path, shape=(1, 60, 40), **options):
    return write_scene(path, np.ones(shape, np.int16), **options)


def test_the_grid_is_that_of_the_finest_band(tmp_path):
    coarse = write(tmp_path / "coarse.tif", (1, 30, 20), transform=Affine(20, 0, 5e5, 0, -20, 4e6))
    fine = write(tmp_path / "fine.tif", tiled=True, blockxsize=16, blockysize=32)
    quality = QualitySource(
        write(tmp_path / "quality.tif", (1, 120, 80), transform=Affine(5, 0, 5e5, 0, -5, 4e6)), FMASK
    )
    scene = open_scene([BandSource(coarse), BandSource(fine)], 1, quality=[quality])
    assert (scene.grid.shape, scene.grid.transform) == ((60, 40), TRANSFORM)
    assert (scene.block_shape, scene.strip_rows) == ((32, 16), 60)
    assert scene.paths == (coarse, fine, quality.path)
    assert (scene.dtype, scene.bands_per_date, scene.quality) == ("int16", 2, (quality,))
    assert hash(scene) == hash(open_scene([BandSource(coarse), BandSource(fine)], 1, quality=[quality]))


def test_types_are_joined(tmp_path):
    paths = [write_scene(tmp_path / f"{kind}.tif", np.ones((1, 9, 9), kind)) for kind in ("int16", "uint16", "float32")]
    assert open_scene([BandSource(path) for path in paths[:2]], 1).dtype == "int32"
    assert open_scene([BandSource(path) for path in paths], 1).dtype == "float32"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"crs": "EPSG:32632"}, r"b.tif: its reference system \(32632\) is not that of .*a.tif \(32633\); all files"),
        ({"transform": Affine(10, 0, 6e5, 0, -10, 4e6)}, r"b.tif: does not overlap .*a.tif; check"),
        ({"transform": Affine(8, 6, 5e5, 6, -8, 4e6)}, r"b.tif: is rotated against .*a.tif; bring"),
        ({"crs": None, "shape": (1, 30, 20)}, r"b.tif: has 30 x 20 pixels and .*a.tif 60 x 40, but where they lie"),
        ({"crs": None, "transform": None, "shape": (1, 30, 20)}, "where they lie is unknown"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path, options, reason):
    paths = [write(tmp_path / "a.tif"), write(tmp_path / "b.tif", **options)]
    with pytest.raises(RasterError, match=reason):
        open_scene([BandSource(path) for path in paths], 1)


def test_what_cannot_be_opened(tmp_path):
    path = write(tmp_path / "a.tif")
    with pytest.raises(RasterError, match=r"a.tif: has 1 layer, but layer 1 \(counted from 0\) was requested"):
        scene_of(path, 2)
    with pytest.raises(RasterError, match=r"missing.tif: no such file; check the path$"):
        scene_of(str(tmp_path / "missing.tif"), 1)
    with pytest.raises(ConfigError, match="3 bands for 2 dates; expected as many for each"):
        open_scene(layers_of(path, 1) * 3, 2)
    with pytest.raises(ConfigError, match="1 quality layer for 2 dates; expected one each"):
        open_scene(layers_of(path, 1) * 2, 2, quality=[None])
    with pytest.raises(ConfigError, match="resampling=cubic is unknown; choose one of bilinear, nearest"):
        BandSource(path, resampling="cubic")


def test_resolutions_that_make_no_sense(tmp_path):
    for resolution in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="expected a number above 0"):
            scene_of(write(tmp_path / "a.tif"), 1, resolution=resolution)
    with pytest.raises(
        ConfigError, match=r"resolution=0.01: is 1000 times finer than the pixels of .*a.tif.*at most 16"
    ):
        scene_of(write(tmp_path / "a.tif"), 1, resolution=0.01)
    with pytest.raises(ConfigError, match=r"resolution=10: .*b.tif has no transform"):
        scene_of(write(tmp_path / "b.tif", crs=None, transform=None), 1, resolution=10)


def test_images_in_one_block_are_refused_above_a_bound(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", (2, 60, 40), blockysize=60, interleave="pixel")
    assert scene_of(path, 1).block_shape == (60, 40)
    monkeypatch.setattr(blocks, "MAX_BLOCK_BYTES", 60 * 40 * 2 * 2 - 1)
    with pytest.raises(
        RasterError, match=rf"blocks of 60 x 40 pixels.*gdal_translate -co TILED=YES .* {path} TILED.tif"
    ):
        scene_of(path, 1)
    by_band = write(tmp_path / "c.tif", (2, 60, 40), blockysize=60, interleave="band")
    assert scene_of(by_band, 1).strip_rows == 60
    with pytest.raises(RasterError, match=r"c.tif: is stored in blocks"):
        scene_of(by_band, 2)
    tiled = write(tmp_path / "b.tif", (2, 60, 40), tiled=True, blockxsize=16, blockysize=16)
    assert scene_of(tiled, 1).block_shape == (16, 16)


@pytest.mark.parametrize(
    ("block", "height", "rows"),
    [(1, 1000, 64), (1, 33, 33), (16, 1000, 64), (7, 1000, 70), (512, 1000, 512), (512, 9, 9)],
)
def test_rows_of_strips(block, height, rows):
    assert blocks.strip_rows(block, height) == rows


def test_fingerprints_change_with_content_time_and_masks(tmp_path):
    values = random_scene((1, 300, 300))
    path = write_scene(tmp_path / "a.tif", values)
    scene = scene_of(path, 1)
    first = scene.fingerprint()
    assert json.loads(json.dumps(first)) == first == scene.fingerprint()
    assert first[0]["name"] == "a.tif"
    assert first[0]["size"] == os.path.getsize(path) > 2 * 65536  # noqa: PTH202
    with rasterio.open(path, "r+") as file:
        file.write(values[:, ::-1])
    assert scene.fingerprint()[0]["sha256"] != first[0]["sha256"]
    second = scene.fingerprint()
    os.utime(path, (1, 1))
    assert scene.fingerprint()[0]["mtime_ns"] == 10**9 != second[0]["mtime_ns"]
    (tmp_path / "a.tif.msk").write_bytes(b"")
    assert scene.fingerprint()[0]["stamp"] != second[0]["stamp"]


def test_files_behind_urls_that_may_change_unnoticed_are_told(tmp_path, caplog):
    write_scene(tmp_path / "plain" / "a.tif", random_scene((1, 20, 20)))
    with http_server.running(tmp_path) as port:
        [entry] = scene_of(f"http://127.0.0.1:{port}/plain/a.tif?key=secret", 1).fingerprint()
    assert entry == {"name": "a.tif", "stamp": None}
    [sentence] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sentence == (
        f"http://127.0.0.1:{port}/plain/a.tif: its server reports neither checksum nor time, so changes of its content "
        "go unnoticed; use overwrite if it has changed"
    )


def test_fingerprints_of_vrts_archives_and_urls(tmp_path):
    path = write(tmp_path / "a.tif")
    vrt = scene_of(write_vrt(tmp_path / "a.vrt", path, (60, 40), 1), 1)
    assert [entry["name"] for entry in vrt.fingerprint()] == ["a.vrt", "a.tif"]
    [entry] = scene_of(write_zip(tmp_path / "a.zip", path), 1).fingerprint()
    assert (entry["name"], entry["size"]) == ("scene.tif", (tmp_path / "a.zip").stat().st_size)
    with http_server.running(tmp_path) as port:
        url = scene_of(f"http://127.0.0.1:{port}/a.tif", 1)
        virtual = scene_of(f"/vsicurl/http://127.0.0.1:{port}/a.tif", 1)
        status = os.stat(path)  # noqa: PTH116
        expected = [{"name": "a.tif", "stamp": f'{status.st_size}:"{status.st_mtime_ns}"'}]
        assert url.fingerprint() == virtual.fingerprint() == expected
