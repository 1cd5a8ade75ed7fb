"""Rasters in stores, read from a server on this machine: HTTP, and as much of S3, Google and Azure as GDAL requests."""

import re
import shutil
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from rasterio.env import get_gdal_config

from instageo.errors import RasterError
from instageo.gdal_access import GDAL_OPTIONS, explain_failure, summarize_error
from instageo.locations import file_stamp
from instageo.raster import reading
from instageo.raster.reading import read_info, read_raster
from tests.http_server import requests
from tests.tiffs import write_masked_tiff

VALUES = np.arange(6 * 40 * 30, dtype=np.int16).reshape(6, 40, 30)


@pytest.fixture
def chip(store, make_raster):
    """Local path of a chip in the store."""
    source = make_raster("chip.tif", VALUES, no_data_value=7, bands=[f"B{band}" for band in range(6)], tags={"a": "b"})
    path = store[0] / "a" / "chip.tif"
    path.parent.mkdir()
    shutil.copy(source, path)
    return path


def assert_same_raster(remote, local):
    first, second = read_raster(remote, [5, 0]), read_raster(local, [5, 0])
    assert_array_equal(first.values, VALUES[[5, 0]])
    assert_array_equal(first.valid, second.valid)
    assert not first.valid.all()
    assert (first.grid, first.bands, first.tags) == (second.grid, second.bands, second.tags)


def requests_of(store):
    """Return the requests for this test's files."""
    parts = urlsplit(store[1])
    return [(method, path) for method, path in requests(parts.port) if path.startswith(parts.path)]


def test_a_chip_over_http_is_the_chip_on_disk(store, chip):
    assert_same_raster(f"{store[1]}/a/chip.tif", chip)
    assert read_info(f"{store[1]}/a/chip.tif") == read_info(chip)
    assert {path.rpartition("/")[2] for _, path in requests_of(store)} == {"chip.tif"}  # no search for side-car files
    assert len(requests_of(store)) <= 4


@pytest.mark.parametrize("name", ["a b.tif", "ä.tif", "a+b&c=d.tif", "100%25.tif"])
def test_file_names_are_quoted_in_urls(store, chip, name):
    shutil.copy(chip, store[0] / name.replace("%25", "%"))
    assert_same_raster(f"{store[1]}/{name}", chip)


def test_a_signed_url_keeps_its_query(store, chip):
    assert_same_raster(f"{store[1]}/a/chip.tif?X-Sig=a%2Fb&n=1", chip)
    assert all(path.endswith("?X-Sig=a%2Fb&n=1") for _, path in requests_of(store))


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_chip_in_a_bucket(store, chip, scheme, monkeypatch):
    host = f"127.0.0.1:{urlsplit(store[1]).port}"
    account = f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://{host}"
    settings = {
        "s3": {
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO",
            "AWS_NO_SIGN_REQUEST": "YES",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        },
        "gs": {"CPL_GS_ENDPOINT": f"http://{host}/", "GS_NO_SIGN_REQUEST": "YES"},
        "az": {"AZURE_STORAGE_CONNECTION_STRING": account},
    }
    for name, value in settings[scheme].items():
        monkeypatch.setenv(name, value)
    assert_same_raster(f"{scheme}://{store[0].name}/a/chip.tif", chip)
    with pytest.raises(RasterError, match=rf"^{scheme}://.*/none\.tif: no such file \(the store answers 404\); check"):
        read_info(f"{scheme}://{store[0].name}/none.tif")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.tif", r"no such file \(the store answers 404\); check the path, root_dir and the table"),
        ("denied/chip.tif", r"access denied \(HTTP response code: 403\); check that the URL is complete"),
        ("text.tif", "cannot be read as a raster .*; expected a GeoTIFF"),
        ("cut.tif", "cannot be read as a raster .*; expected a GeoTIFF"),
    ],
)
def test_unreadable_files_over_http_are_reported_without_secrets(store, chip, name, words):
    (store[0] / "text.tif").write_text("no raster")
    (store[0] / "cut.tif").write_bytes(chip.read_bytes()[: chip.stat().st_size // 2])
    for query in ("", "?sig=secret"):
        with pytest.raises(RasterError, match=rf"^{store[1]}/{name}: {words}") as refusal:
            read_raster(f"{store[1]}/{name}{query}")
        assert "secret" not in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (
            "http://127.0.0.1:9/chip.tif",
            r"cannot be reached \(.*connect to 127\.0\.0\.1.*\); check the address, the network",
        ),
        ("http://no.such.host.invalid/chip.tif", r"cannot be reached \(.*resolve host.*\)"),
        ("s3://bucket/chip.tif", "no credentials for this store; set AWS_ACCESS_KEY_ID and .*AWS_NO_SIGN_REQUEST=YES"),
        ("gs://bucket/chip.tif", "no credentials for this store; set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://container/chip.tif", "no credentials for this store; set AZURE_STORAGE_ACCOUNT with"),
        ("/vsis3/bucket/chip.tif", "no credentials for this store; set AWS_ACCESS_KEY_ID and"),
        ("ftp://host/chip.tif", "unknown scheme 'ftp'; expected a local path or one of s3, gs, az, http, https"),
    ],
)
def test_stores_without_access_are_reported(location, words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # where keys may lie
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("CPL_AWS_EC2_API_ROOT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CPL_GCE_SKIP", "YES")
    with pytest.raises(RasterError, match=rf"^{location}: .*{words}"):
        read_info(location)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError("Access Denied"), r"access denied \(Access Denied\); set AWS_ACCESS_KEY_ID"),
        (FileNotFoundError("s3://b/404.csv"), "no such file"),
        (TimeoutError(), r"cannot be reached \(no further reason\)"),
        (OSError("HTTP response code: 503"), r"cannot be reached \(HTTP response code: 503\)"),
    ],
)
def test_errors_are_explained(error, words):
    assert re.search(words, explain_failure("s3://b/404.csv", error))


def test_an_error_of_content_is_not_explained_as_one_of_access():
    assert explain_failure("s3://404/denied.csv", OSError("s3://404/denied.csv is broken")) is None


def test_a_request_to_a_busy_store_is_repeated(store, chip):
    (store[0] / "busy").mkdir()
    shutil.copy(chip, store[0] / "busy" / "chip.tif")
    assert_same_raster(f"{store[1]}/busy/chip.tif", chip)


def test_options_for_remote_files_do_not_affect_local_ones(store, chip, make_raster):
    plain = make_raster("plain.tif", VALUES)
    plain.with_name("plain.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>3</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    assert_same_raster(f"{store[1]}/a/chip.tif", chip)
    assert not any(get_gdal_config(name) for name in GDAL_OPTIONS)
    assert not read_raster(plain).valid[0, 0, 3]  # side-car files of local rasters count as before


def test_the_environment_takes_precedence_over_our_options(store, chip, monkeypatch):
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "YES")
    read_info(f"{store[1]}/a/chip.tif")
    assert any(path.endswith(".aux.xml") for _, path in requests_of(store))


def test_side_car_masks_of_remote_files_are_read_on_request(store, chip, monkeypatch, caplog):  # pitfall 70
    mask = np.arange(1200).reshape(40, 30) % 2 == 0
    for name in ("first.tif", "second.tif"):
        write_masked_tiff(store[0] / name, VALUES, mask, "side-car")
    caplog.set_level("INFO")
    reading._log_side_cars.cache_clear()
    for _ in range(2):
        assert read_raster(f"{store[1]}/first.tif").valid.all()
    assert [record.message for record in caplog.records].count(SIDE_CARS_UNREAD) == 1
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    monkeypatch.setenv("CPL_VSIL_CURL_ALLOWED_EXTENSIONS", ".tif,.msk,.aux.xml")
    remote, local = read_raster(f"{store[1]}/second.tif"), read_raster(store[0] / "second.tif")
    assert_array_equal(remote.valid, local.valid)
    assert_array_equal(local.valid[0], mask)
    files = {path.rpartition("/")[2] for _, path in requests_of(store)}
    assert files == {"", "first.tif", "second.tif", "second.tif.msk", "second.tif.aux.xml", "second.tif.msk.aux.xml"}


SIDE_CARS_UNREAD = (
    "side-car files (.msk, .aux.xml) of remote rasters are not read; docs/reading.md says how to have them read"
)


def test_the_stamp_of_a_remote_file_changes_with_its_content(store, chip):
    first = file_stamp(f"{store[1]}/a/chip.tif")
    assert first == file_stamp(f"{store[1]}/a/chip.tif")
    assert first.startswith(f"{chip.stat().st_size}:")
    chip.write_bytes(chip.read_bytes()[:-1] + b"x")
    assert file_stamp(f"{store[1]}/a/chip.tif") not in (first, None)
    assert file_stamp(f"{store[1]}/none.tif") is None


def test_the_reason_is_a_sentence_in_which_the_file_is_it():
    error = OSError("'/data/a.tif' not recognized as being in a supported file format.")
    assert summarize_error("/data/a.tif", error) == "it is not recognized as being in a supported file format."
