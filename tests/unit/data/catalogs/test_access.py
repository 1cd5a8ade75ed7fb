"""How files of catalogues are opened: signatures, logins, and which hosts are trusted."""

import subprocess
import sys
import threading
from datetime import timedelta

import numpy as np
import pytest

from instageo.data.catalogs import planetary
from instageo.data.catalogs.access import PlainAccess
from instageo.data.catalogs.cdse import CdseAccess
from instageo.data.catalogs.earthdata import EarthdataAccess
from instageo.data.catalogs.earthsearch import EarthSearchAccess
from instageo.data.catalogs.http import StacSession
from instageo.data.catalogs.planetary import PlanetaryAccess
from instageo.data.catalogs.trust import RefusedAddressError
from instageo.errors import DataError
from tests.catalogues import serving
from tests.tiffs import write_tiff

PUBLIC = "https://stac.example.org/v1"
FILE = "https://acct.blob.core.windows.net/cont/x/a.tif"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("EARTHDATA_TOKEN", "PC_SDK_SUBSCRIPTION_KEY", "CDSE_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "href",
    ["/etc/passwd", "file:///etc/passwd", "/vsizip/x", "ftp://example.org/x", "x.tif", "http://localhost/x",
     "http://127.1/x", "http://2130706433/x", "http://0x7f.1/x", "https://[::1]/x", "http://[::ffff:10.0.0.1]/x",
     "http://169.254.169.254/x", "http://printer.local/x", "https://intra/x", "https://example.org/a b",
     "https://example.org\\@10.0.0.1/"],
)  # fmt: skip
def test_addresses_that_are_refused(href):
    with pytest.raises(RefusedAddressError, match="the catalogue names the file"):
        PlainAccess(PUBLIC).location(href)


@pytest.mark.parametrize("href", ["https://example.org/x.tif", "s3://bucket/x.tif", "https://8.8.8.8/x", FILE])
def test_addresses_that_are_opened(href):
    assert PlainAccess(PUBLIC).location(href) == href


def test_a_private_catalogue_may_name_private_hosts():
    assert PlainAccess("http://127.0.0.1:8000").location("http://localhost/x") == "http://localhost/x"


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "http://169.254.169.254/latest/", "file:///etc/passwd"])
def test_a_public_catalogue_does_not_redirect_to_a_private_host(target):
    with serving(redirect=target) as (url, state):
        session = StacSession(url)
        session.root = PUBLIC
        with pytest.raises(RefusedAddressError, match="the catalogue names the file"):
            session.session.get(f"{url}/moved/x")
    assert len(state.log) == 1


def test_one_token_serves_a_container_until_it_is_refused_or_old(monkeypatch):  # pitfall 61
    with serving() as (url, state):
        access = PlanetaryAccess(url, tokens=f"{url}/token")
        first = access.location(FILE)
        assert first == f"{FILE}?sig=acct-cont-0"
        assert access.location(f"{FILE}?sig=old") == first
        assert access.location("https://example.org/x.tif") == "https://example.org/x.tif"
        assert [entry[1] for entry in state.log] == ["/token/acct/cont"]
        assert access.location(FILE, renew=True) == f"{FILE}?sig=acct-cont-1"
        monkeypatch.setattr(planetary, "RENEW_BEFORE", timedelta(hours=2))
        assert access.location(FILE) == f"{FILE}?sig=acct-cont-2"


def test_threads_share_a_token():
    with serving(delay_s=0.05) as (url, state):
        access = PlanetaryAccess(url, tokens=f"{url}/token")
        threads = [threading.Thread(target=access.location, args=(FILE,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(state.log) == 1


def test_a_collection_that_needs_an_account():
    with serving(faults=[401]) as (url, _), pytest.raises(DataError, match="without an account"):
        PlanetaryAccess(url, tokens=f"{url}/token").location(FILE)


def test_no_explanation_shows_a_signature():
    access = PlanetaryAccess(PUBLIC)
    assert access.explain(f"{FILE}?sig=SECRET", "access denied") == (
        f"{FILE}: access denied; set PC_SDK_SUBSCRIPTION_KEY if this collection needs an account"
    )
    assert "EULA" in EarthdataAccess(PUBLIC).explain("https://x/y", "access denied (HTTP 401)")
    assert "EULA" not in EarthdataAccess(PUBLIC).explain("https://x/y", "the host cannot be reached")
    assert "requester" in EarthSearchAccess(PUBLIC).explain("s3://usgs-landsat/x", "access denied")


def test_the_earthdata_token_goes_to_earthdata_alone(monkeypatch):  # pitfall 62
    monkeypatch.setenv("EARTHDATA_TOKEN", "TOKEN")
    access = EarthdataAccess(PUBLIC)
    own = access.gdal_options("https://data.lpdaac.earthdatacloud.nasa.gov/x.tif")
    assert (own["GDAL_HTTP_AUTH"], own["GDAL_HTTP_BEARER"]) == ("BEARER", "TOKEN")
    for href in ("https://example.org/x.tif", "http://data.lpdaac.earthdatacloud.nasa.gov/x.tif",
                 "https://x.earthdata.nasa.gov.example.org/x"):  # fmt: skip
        assert set(access.gdal_options(href)) == {"GDAL_HTTP_COOKIEFILE", "GDAL_HTTP_COOKIEJAR"}


READ = """
import sys, rasterio
address, *options = sys.argv[1:]
with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", **dict(option.split("=", 1) for option in options)):
    with rasterio.open("/vsicurl/" + address) as file:
        print(file.read().sum())
"""


def test_the_earthdata_token_does_not_follow_a_redirect(monkeypatch, tmp_path):  # pitfall 62
    monkeypatch.setenv("EARTHDATA_TOKEN", "TOKEN")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    options = EarthdataAccess(PUBLIC).gdal_options("https://data.lpdaac.earthdatacloud.nasa.gov/x.tif")
    write_tiff(tmp_path / "x.tif", np.ones((1, 64, 64), np.uint8))
    with serving(root=tmp_path) as (other, files), serving() as (url, first):
        first.redirect = f"{other.replace('127.0.0.1', 'localhost')}/files"
        command = [sys.executable, "-c", READ, f"{url}/moved/x.tif", *(f"{k}={v}" for k, v in options.items())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "4096", done.stderr
    assert set(first.logins) == {"Bearer TOKEN"}
    assert files.logins
    assert set(files.logins) == {None}


def test_keys_of_cdse_go_to_its_bucket_alone(monkeypatch):
    monkeypatch.setenv("CDSE_ACCESS_KEY", "key")
    monkeypatch.setenv("CDSE_SECRET_KEY", "secret")
    access = CdseAccess(PUBLIC)
    options = access.gdal_options("s3://eodata/Sentinel-2/x.jp2")
    assert options["AWS_S3_ENDPOINT"] == "eodata.dataspace.copernicus.eu"
    assert (options["AWS_ACCESS_KEY_ID"], options["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret")
    assert access.gdal_options("s3://other/x.jp2") == {}
