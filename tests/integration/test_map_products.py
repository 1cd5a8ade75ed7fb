"""`instageo map` reads products as users have them on disk, masks what their quality layers mark, and takes dates."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from scipy.ndimage import distance_transform_edt

from tests.integration.maps import (
    CODES,
    NO_DATA,
    assert_same,
    band_options,
    read_layers,
    read_map,
    scene_values,
    train_small,
    write_hls,
    write_raster,
)

CLOUD, SHADOW, WATER = 2, 8, 32
"""Bits of Fmask."""

SAFE = "S2A_MSIL2A_20220503T100031_N0400_R122_T32TPM_20220503T141322.SAFE"
IMAGES = "GRANULE/L2A_T32TPM_A035844_20220503T100202/IMG_DATA"
METADATA = """<?xml version="1.0"?><n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/x.xsd"><A>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<L>{}</L></A></n1:Level-2A_User_Product>"""


@pytest.fixture
def mapped(instageo, small_network, tmp_path):
    """Map scenes with the small network, or another; returns the path of the map."""

    def call(name, *arguments, network=small_network):
        path = tmp_path / "maps" / f"{name}.tif"
        status, _, err = instageo("map", network, *arguments, "-o", path, "--probabilities")
        assert status == 0, err
        return path

    return call


def tags(path):
    with rasterio.open(path) as file:
        return file.tags()


def test_a_granule_of_hls(mapped, tmp_path):
    values = scene_values()
    stacked = mapped("stacked", write_raster(tmp_path / "scene.tif", values))
    granule = mapped("granule", write_hls(tmp_path / "granule", values))
    assert_same(granule, stacked)
    assert tags(granule)["DATES"] == "2021-05-03"
    assert tags(granule)["INSTAGEO_SCENE"] == "granule"


@pytest.mark.parametrize("dilation", [0, 2])
def test_masked_pixels_are_no_data(mapped, tmp_path, dilation):
    values, fmask = scene_values(), np.zeros((70, 90), np.uint8)
    fmask[40:46, 30:41], fmask[10:14, 70:90], fmask[50:60, 60:70], fmask[69, 0] = CLOUD | WATER, SHADOW, WATER, 255
    marked = distance_transform_edt((fmask & (CLOUD | SHADOW) == 0) | (fmask == 255)) <= dilation
    without = np.where(marked | (fmask == 255), NO_DATA, values).astype(np.int16)
    stacked = mapped("stacked", write_raster(tmp_path / "scene.tif", without))
    options = ["--mask", "cloud, shadow", "--dilation", dilation]
    assert_same(mapped("granule", write_hls(tmp_path / "granule", values, fmask), *options), stacked)
    classes, _, _ = read_map(stacked)
    assert np.array_equal(classes[0] == 255, marked | (fmask == 255) | (values[0] == NO_DATA))

    layers = write_raster(tmp_path / "layers.tif", values)
    write_raster(tmp_path / "fmask.tif", fmask[None], no_data=255)
    bands = "BLUE,GREEN,RED,NIR_NARROW,SWIR_1,SWIR_2"
    own = ["--sensor", "hls_s30", "--bands", bands, "--quality", tmp_path / "fmask.tif"]
    assert_same(mapped("layers", layers, *options, *own), stacked)
    files = band_options([write_raster(tmp_path / f"{n}.tif", values[n : n + 1]) for n in range(6)])
    assert_same(mapped("files", *files, *options, "--sensor", "hls_s30", "--quality", tmp_path / "fmask.tif"), stacked)


def write_safe(folder, reflectance, *, shift=1000):
    """Write a product of Sentinel-2 with bands of 10 and 20 m; reflectance is that of pixels of 20 m, repeated."""
    stored = np.where(reflectance == NO_DATA, 0, reflectance + shift).astype(np.uint16)
    options = {"driver": "JP2OpenJPEG", "no_data": None, "QUALITY": "100", "REVERSIBLE": "YES"}
    for band, code in zip(stored, CODES, strict=True):
        side = 10 if code in ("B02", "B03", "B04") else 20
        own = band.repeat(2, 0).repeat(2, 1) if side == 10 else band
        path = folder / SAFE / IMAGES / f"R{side}m" / f"T32TPM_20220503T100031_{code}_{side}m.jp2"
        write_raster(path, own[None], transform=Affine(side, 0, 5e5, 0, -side, 5e6), **options)
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{number}">{-shift}</BOA_ADD_OFFSET>' for number in range(13))
    (folder / SAFE / "MTD_MSIL2A.xml").write_text(METADATA.format(offsets if shift else ""))
    return folder / SAFE


def stack(folder, dtype):
    """Return the layers of a SAFE folder on the grid of 10 m, as GDAL interpolates them."""
    layers = []
    for code in CODES:
        [path] = folder.rglob(f"*_{code}_*.jp2")
        with rasterio.open(path) as file:
            zoom = 2 if path.parent.name == "R20m" else 1
            shape = file.height * zoom, file.width * zoom
            layers.append(file.read(1, out_shape=shape, resampling=Resampling.bilinear))
    return np.stack(layers).astype(dtype)


@pytest.mark.parametrize("shift", [0, 1000])
def test_a_safe_folder_of_sentinel2(mapped, tmp_path, shift):
    values = scene_values(40, 48)
    values[values == NO_DATA] = 700  # interpolation beside no-data is tested apart
    folder = write_safe(tmp_path, values, shift=shift)
    stacked = write_raster(tmp_path / "scene.tif", stack(folder, np.int16) - np.int16(shift))
    reference = mapped("stacked", stacked)
    assert not (read_map(reference)[0] == 255).any()
    path = mapped("safe", folder)
    classes, expected = read_map(path)[0], read_map(reference)[0]
    assert classes.shape == (1, 80, 96)
    np.testing.assert_array_equal(classes, expected)
    difference = np.abs(read_map(path)[1].astype(int) - read_map(reference)[1])
    assert difference.max() <= 1  # values between whole numbers are rounded in the stacked file
    assert tags(path)["DATES"] == "2022-05-03"


def test_a_scene_of_landsat(mapped, tmp_path):
    stored = np.round((scene_values().astype(np.float64) + 2000) / 0.275)
    no_data = scene_values() == NO_DATA
    stored = np.where(no_data, 0, stored).astype(np.uint16)
    scaled = stored.astype(np.float32) * np.float32(0.275) - np.float32(2000)  # to the last digit as maps compute it
    reflectance = np.where(no_data, np.float32(NO_DATA), scaled)
    for number, band in enumerate(stored, 2):
        name = f"LC08_L2SP_193024_20210503_20210517_02_T1_SR_B{number}.TIF"
        write_raster(tmp_path / "landsat" / name, band[None], no_data=0)
    stacked = mapped("stacked", write_raster(tmp_path / "scene.tif", reflectance))
    path = mapped("landsat", tmp_path / "landsat")
    assert_same(path, stacked)
    assert tags(path)["DATES"] == "2021-05-03"
    raster = write_raster(tmp_path / "layers.tif", np.concatenate([np.ones_like(stored[:1]), stored]), no_data=0)
    assert_same(mapped("layers", raster, "--sensor", "landsat8_c2"), stacked)


@pytest.fixture(scope="module")
def three_dates(tmp_path_factory):
    """A network for three dates, which takes their days and the place into account."""
    settings = ["model.model_name=prithvi_eo_v2_tiny_tl", "model.coords_dropout=0"]
    return train_small(tmp_path_factory.mktemp("three"), *settings, num_dates=3, epochs=4)


DAYS = ["2021-05-03", "2021-08-14", "2022-01-30"]
OPTIONS = [part for day in DAYS for part in ("--date", day)]


def test_three_dates_in_one_file_in_three_and_in_three_products(mapped, three_dates, tmp_path, instageo):
    values = scene_values(num_dates=3)
    dates = values.reshape(3, 6, *values.shape[1:])
    dates[1, :, 50:60, 20:40] = NO_DATA
    whole = mapped("whole", write_raster(tmp_path / "scene.tif", values), *OPTIONS, network=three_dates)
    rasters = [write_raster(tmp_path / f"date_{number}.tif", date) for number, date in enumerate(dates)]
    assert_same(mapped("rasters", *rasters, *OPTIONS, network=three_dates), whole)
    days = ["2021123", "2021226", "2022030"]
    granules = [write_hls(tmp_path / day, date, day=day) for day, date in zip(days, dates, strict=True)]
    path = mapped("granules", *granules, network=three_dates)
    assert_same(path, whole)
    assert tags(path)["DATES"] == ";".join(DAYS)
    files = [write_raster(tmp_path / f"{t}_{n}.tif", dates[t, n : n + 1]) for t in range(3) for n in range(6)]
    bands = [part for date in range(3) for part in band_options(files[6 * date : 6 * date + 6])]
    assert_same(mapped("bands", *bands, *OPTIONS, network=three_dates), whole)

    other = mapped("other", *rasters, *OPTIONS[:-1], "2023-07-30", network=three_dates)
    assert (read_layers(other.with_name("other_probabilities.tif")) != read_map(whole)[1]).any()  # days matter
    status, _, err = instageo("map", three_dates, *rasters[:2], "-o", tmp_path / "x.tif")
    assert (status, err.splitlines()[-1]) == (
        1,
        "error: 2 rasters are of one date, but the scenes of the model have 3; name 3 for each scene, in the order of "
        "their dates",
    )
