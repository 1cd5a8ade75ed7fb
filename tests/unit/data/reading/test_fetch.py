"""Files fetched from a server on this machine, with its faults."""

import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.shutil import copy

from instageo.data import retries
from instageo.data.output.skipped import Reason
from instageo.data.reading import fetch as fetching
from instageo.data.reading.fetch import fetch
from instageo.data.reading.hosts import HostDownError
from instageo.data.reading.http_probe import Answer
from instageo.data.reading.pixel_source import PixelSource
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt
from tests import faulty_server

TRANSFORM = Affine(30, 0, 600_000, 0, -30, 5_000_000)
GRID = Grid(crs_wkt("EPSG:32632"), TRANSFORM, 512, 512)
PIXELS = np.random.default_rng(0).integers(0, 9000, (512, 512)).astype(np.int16)
WINDOWS = (GRID.window(10, 20, 64, 64), GRID.window(300, 400, 64, 64))


class SignedAccess:
    """Access to a server; a renewed signature is a new one."""

    def __init__(self, port):
        self.port, self.renewed = port, 0

    def location(self, href, *, renew=False):
        self.renewed += renew
        signature = "new" if self.renewed else "old"
        return f"http://127.0.0.1:{self.port}/{href}?sig={signature}"

    def gdal_options(self, href):
        return {"GDAL_HTTP_RETRY_DELAY": "0.01"}

    def explain(self, href, reason):
        return f"{href}: {reason}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    for folder in ("good", "expired", "flaky", "down", "later", "cut"):
        (root / folder).mkdir()
        for number in range(3):
            with rasterio.open(
                root / folder / f"{number}.tif", "w", driver="GTiff", count=1, height=512, width=512, dtype="int16",
                crs="EPSG:32632", transform=TRANSFORM, tiled=True, blockxsize=128, blockysize=128, compress="deflate",
            ) as file:  # fmt: skip
                file.write(PIXELS + number, 1)
    whole = (root / "good/0.tif").read_bytes()
    (root / "good/truncated.tif").write_bytes(whole[: len(whole) // 2])
    (root / "good/text.tif").write_text("<html>please log in</html>")
    copy(root / "good/0.tif", root / "good/other.tif", driver="VRT")
    with faulty_server.running(root) as port:
        yield port


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retries, "WAITS_S", (0.01,) * 5)


def results(port, *hrefs, access=None, **options):
    reads = [AssetRead(href, WINDOWS) for href in hrefs]
    return dict(fetch(reads, access or SignedAccess(port), **options))


def check_pixels(found, number):
    assert_array_equal(found.values[0], PIXELS[10:74, 20:84] + number)
    assert_array_equal(found.values[1], PIXELS[300:364, 400:464] + number)


@pytest.mark.parametrize("folder", ["good", "flaky", "later", "cut"])
def test_every_pixel_is_right_in_spite_of_faults(server, folder):
    found = results(server, *[f"{folder}/{number}.tif" for number in range(3)])
    for number in range(3):
        check_pixels(found[number], number)


def test_all_reads_of_a_source_share_its_threads(server):
    """GDAL keeps connections by thread, so that new threads would open new ones."""
    access, threads = SignedAccess(server), set()

    def location(href, *, renew=False):
        threads.add(threading.current_thread())
        return SignedAccess.location(access, href, renew=renew)

    access.location = location
    with PixelSource(access, threads=2) as pixels:
        for number in (0, 1, 2, 0, 1, 2):
            [(_, found)] = pixels.read([AssetRead(f"good/{number}.tif", WINDOWS)])
            check_pixels(found, number)
    assert 1 <= len(threads) <= 2
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_refused_signature_is_renewed_once(server):
    """Pitfall 61: GDAL remembers the refusal of the old address."""
    access = SignedAccess(server)
    check_pixels(results(server, "expired/1.tif", access=access)[0], 1)
    assert access.renewed == 1


def test_a_refusal_that_stays_is_a_failure(server):
    access = SignedAccess(server)
    access.location = lambda href, renew=False: f"http://127.0.0.1:{server}/{href}?sig=old{renew}"
    found = results(server, "expired/2.tif", access=access)[0]
    assert found == ReadFailure(Reason.NOT_READABLE, "expired/2.tif: access denied (HTTP 403)", is_lasting=True)


def test_a_missing_file_has_a_reason_of_its_own(server):
    found = results(server, "good/none.tif")[0]
    assert found == ReadFailure(
        Reason.ASSET_MISSING, "good/none.tif: the server has no such file (HTTP 404)", is_lasting=True
    )


@pytest.mark.parametrize("name", ["truncated", "text"])
def test_a_damaged_file_is_named_without_its_signature(server, name):
    """Pitfall 57. Half of the file holds the first rows of blocks, not those of the second window."""
    found = results(server, f"good/{name}.tif")[0]
    assert found.reason is Reason.NOT_READABLE
    assert found.message.startswith(f"good/{name}.tif: truncated or damaged (")
    assert "sig" not in found.message


def test_no_file_names_other_files(server):
    """A VRT under the name of a TIFF would make this machine read any file or address."""
    found = results(server, "good/other.tif")[0]
    assert found.reason is Reason.NOT_READABLE
    assert "other.tif: truncated or damaged (" in found.message


def test_another_grid_is_a_failure_that_names_both(server):
    shifted = Grid(GRID.crs, TRANSFORM @ Affine.translation(0.5, 0), 64, 64)
    found = dict(fetch([AssetRead("good/0.tif", (shifted,))], SignedAccess(server)))[0]
    assert found.reason is Reason.GRID_DIFFERS
    assert "600000" in found.message
    assert "600015" in found.message


def test_a_server_that_is_down_ends_the_run(server):
    reads = [AssetRead(f"down/{number}.tif", WINDOWS) for number in range(30)]
    found = []
    with pytest.raises(HostDownError, match=r"127\.0\.0\.1:\d+: 20 files in a row"):
        found.extend(fetch(reads, SignedAccess(server), threads=2))
    assert len(found) <= 19


def test_a_busy_server_is_asked_six_times_more(server, caplog):
    found = results(server, "down/alone.tif")[0]
    assert found.message == "down/alone.tif: the server is busy or down (HTTP 503)"
    asked = [method for method, path, *_ in faulty_server.log(server) if "/alone.tif" in path]
    assert asked == ["HEAD"] * 4 + ["GET"] * 6  # GDAL asks four times, then we at once and after each of five waits
    assert "alone.tif" in caplog.text
    assert "sig=" not in caplog.text


def test_a_consumer_that_stops_leaves_no_waiting_thread(server, monkeypatch):
    """Ctrl-C closes the generator; no thread goes on to wait."""
    monkeypatch.setattr(fetching, "probe", lambda location: Answer(503))  # without Retry-After
    reads = [AssetRead("good/0.tif", WINDOWS), *[AssetRead(f"down/{number}.tif", WINDOWS) for number in range(3)]]
    waiting = fetch(reads, SignedAccess(server), threads=4)
    retries.WAITS_S = (600.0,) * 5  # `short_waits` undoes it
    index, found = next(waiting)
    waiting.close()
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]:
        thread.join(300)
        assert not thread.is_alive()
    assert index == 0
    check_pixels(found, 0)


def test_local_files_are_read_without_retries(tmp_path):
    class Local:
        location = staticmethod(lambda href, renew=False: str(tmp_path / href))
        gdal_options = staticmethod(lambda href: {})
        explain = staticmethod(lambda href, reason: f"{href}: {reason}")

    (tmp_path / "text.tif").write_text("no raster")
    reads = [AssetRead("none.tif", WINDOWS), AssetRead("text.tif", WINDOWS)]
    found = dict(fetch(reads, Local()))
    assert found[0] == ReadFailure(Reason.ASSET_MISSING, "none.tif: the file does not exist", is_lasting=True)
    assert found[1].reason is Reason.NOT_READABLE
