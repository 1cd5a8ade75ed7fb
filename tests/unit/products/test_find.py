import zipfile
from datetime import date

import pytest

from instageo.errors import DataError
from instageo.products.find import find_product

GRANULE = "HLS.S30.T33UUP.2021123T100031.v2.0"
SAFE = "S2A_MSIL2A_20220503T100031_N0400_R122_T33UUP_20220503T141322.SAFE"
IMAGES = "GRANULE/L2A_T33UUP_A035844_20220503T100202/IMG_DATA"
LANDSAT = "LC08_L2SP_193024_20210503_20210517_02_T1"


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def write_safe(folder, metadata):
    stem = "T33UUP_20220503T100031"
    ten = [f"{IMAGES}/R10m/{stem}_{code}_10m.jp2" for code in ("B02", "B03", "B04", "B08", "TCI")]
    twenty = [f"{IMAGES}/R20m/{stem}_{code}_20m.jp2" for code in ("B02", "B8A", "B11", "B12", "SCL")]
    sixty = [f"{IMAGES}/R60m/{stem}_{code}_60m.jp2" for code in ("B01", "B02", "B09", "SCL")]
    write(folder, "GRANULE/X/QI_DATA/MSK_CLDPRB_20m.jp2", "INSPIRE.xml", *ten, *twenty, *sixty)
    (folder / "MTD_MSIL2A.xml").write_text(metadata)
    return folder


METADATA = """<?xml version="1.0"?><n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/x.xsd"><A>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<L><BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET><BOA_ADD_OFFSET band_id="8">-900</BOA_ADD_OFFSET></L>
</A></n1:Level-2A_User_Product>"""


def test_a_granule_of_hls(tmp_path):
    codes = ["B02", "B03", "B04", "B8A", "B11", "B12", "Fmask", "SAA", "VZA"]
    product = find_product(write(tmp_path, *[f"{GRANULE}.{code}.tif" for code in codes], f"{GRANULE}.jpg"))
    assert product.sensor == "hls_s30"
    assert product.date == date(2021, 5, 3)  # day 123
    assert list(product.bands) == ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    assert product.bands["NIR_NARROW"] == str(tmp_path / f"{GRANULE}.B8A.tif")
    assert product.quality == str(tmp_path / f"{GRANULE}.Fmask.tif")
    assert set(product.scale.values()) == {1.0}
    assert set(product.offset.values()) == {0.0}


def test_codes_mean_what_they_mean_in_hls_l30(tmp_path):
    product = find_product(write(tmp_path, "HLS.L30.T33UUP.2021124T100031.v2.0.B05.tif"))
    assert (product.sensor, list(product.bands), product.quality) == ("hls_l30", ["NIR_NARROW"], None)


@pytest.mark.parametrize(
    ("platform", "codes", "bands", "sensor"),
    [
        ("LC08", ("SR_B2", "SR_B5"), ["BLUE", "NIR_NARROW"], "landsat8_c2"),
        ("LC09", ("SR_B2", "SR_B7"), ["BLUE", "SWIR_2"], "landsat9_c2"),
        ("LE07", ("SR_B1", "SR_B4"), ["BLUE", "NIR_NARROW"], "landsat7_c2"),
        ("LT05", ("SR_B1", "SR_B7"), ["BLUE", "SWIR_2"], "landsat5_c2"),
    ],
)
def test_scenes_of_landsat(tmp_path, platform, codes, bands, sensor):
    stem = LANDSAT.replace("LC08", platform)
    product = find_product(write(tmp_path, *[f"{stem}_{code}.TIF" for code in (*codes, "QA_PIXEL", "QA_RADSAT")]))
    assert (product.sensor, list(product.bands), product.date) == (sensor, bands, date(2021, 5, 3))
    assert product.quality == str(tmp_path / f"{stem}_QA_PIXEL.TIF")
    assert product.scale["BLUE"] == 0.275  # 0.0000275 * 10,000
    assert product.offset["BLUE"] == -2000


def test_a_safe_folder_with_its_offsets(tmp_path):
    product = find_product(write_safe(tmp_path / SAFE, METADATA))
    images = tmp_path / SAFE / IMAGES
    assert product.sensor == "sentinel2_l2a"
    assert product.bands["BLUE"] == str(images / "R10m/T33UUP_20220503T100031_B02_10m.jp2")
    assert product.bands["COASTAL_AEROSOL"] == str(images / "R60m/T33UUP_20220503T100031_B01_60m.jp2")
    assert product.quality == str(images / "R20m/T33UUP_20220503T100031_SCL_20m.jp2")
    assert product.date == date(2022, 5, 3)
    assert (product.offset["BLUE"], product.offset["NIR_NARROW"], product.offset["RED"]) == (-1000, -900, 0)
    assert product.is_offset_known


def test_a_zipped_safe_folder(tmp_path):
    folder, archive = write_safe(tmp_path / SAFE, METADATA), tmp_path / f"{SAFE}.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in folder.rglob("*"):
            target.write(file, file.relative_to(tmp_path))
    product = find_product(archive)
    inside = f"/vsizip/{archive}/{SAFE}/{IMAGES}"
    assert product.bands["BLUE"] == f"{inside}/R10m/T33UUP_20220503T100031_B02_10m.jp2"
    assert product.quality == f"{inside}/R20m/T33UUP_20220503T100031_SCL_20m.jp2"
    assert product.offset["BLUE"] == -1000


@pytest.mark.parametrize(("baseline", "offset"), [("N0400", -1000), ("N0301", 0), ("N0510", -1000)])
def test_the_baseline_tells_the_offset_without_metadata(tmp_path, baseline, offset):
    folder = write(tmp_path / SAFE.replace("N0400", baseline), f"{IMAGES}/R10m/T33UUP_20220503T100031_B02_10m.jp2")
    product = find_product(folder)
    assert product.offset == {"BLUE": offset}
    assert product.is_offset_known


def test_folders_of_earth_search_and_the_planetary_computer(tmp_path):
    earth_search = write(tmp_path / "S2A_33UUP_20220503_0_L2A", "blue.tif", "nir08.tif", "scl.tif", "visual.tif")
    product = find_product(earth_search)
    assert (product.date, list(product.bands)) == (date(2022, 5, 3), ["BLUE", "NIR_NARROW"])
    assert product.quality == str(earth_search / "scl.tif")
    assert not product.is_offset_known  # files of both kinds exist
    product = find_product(write(tmp_path / "codes", "B02.tif", "B8A.tif", "SCL.tif", "AOT.tif"))
    assert (product.date, list(product.bands)) == (None, ["BLUE", "NIR_NARROW"])
    stem = "T33UUP_20220503T100031"
    planetary = write(tmp_path / "planetary", f"{stem}_B02_10m.tif", f"{stem}_B11_20m.tif", f"{stem}_SCL_20m.tif")
    (planetary / "MTD_MSIL2A.xml").write_text(METADATA.replace(">10000<", ">5000<"))
    product = find_product(planetary)
    assert (product.scale["BLUE"], product.offset["BLUE"]) == (2, -2000)  # (stored - 1000) / 5000 * 10,000
    assert product.date == date(2022, 5, 3)


def test_single_files_urls_and_other_folders_are_no_products(tmp_path):
    write(tmp_path, f"{GRANULE}.B02.tif", "other/scene.tif", "other/B2.tif", "alone/SCL.tif")
    write(tmp_path / "level1", "T33UUP_20220503T100031_B02.jp2", "LC08_L1TP_193024_20210503_20210517_02_T1_B10.TIF")
    assert find_product(tmp_path / f"{GRANULE}.B02.tif") is None
    assert find_product(f"https://host/{GRANULE}") is None
    assert find_product("/vsizip/a.zip/b") is None
    for name in ("other", "alone", "level1", "missing"):
        assert find_product(tmp_path / name) is None


def test_two_products_or_two_files_of_a_band_are_refused(tmp_path):
    other = GRANULE.replace("2021123", "2021128")
    with pytest.raises(DataError, match=rf"two products, {GRANULE} and {other}; put those of each"):
        find_product(write(tmp_path / "dates", f"{GRANULE}.B02.tif", f"{other}.B03.tif"))
    with pytest.raises(DataError, match=f"two products, {GRANULE} and {LANDSAT}"):
        find_product(write(tmp_path / "sensors", f"{GRANULE}.B02.tif", f"{LANDSAT}_SR_B2.TIF"))
    with pytest.raises(DataError, match=r"both B02.tif and blue.tif hold BLUE; remove one"):
        find_product(write(tmp_path / "bands", "B02.tif", "blue.tif"))
    with pytest.raises(DataError, match="is a Level-1C product"):
        find_product(write(tmp_path / "level1", "MTD_MSIL1C.xml"))


def test_a_broken_archive_is_named(tmp_path):
    (tmp_path / "x.SAFE.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"x.SAFE.zip: cannot be read as a zip archive"):
        find_product(tmp_path / "x.SAFE.zip")
