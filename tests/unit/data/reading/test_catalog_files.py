"""Windows of remote files by whole blocks: each is fetched once, also by threads, and is checked."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, current_thread

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data import retries
from instageo.data.catalogs.access import ListAccess, PlainAccess
from instageo.data.reading.block_cache import BlockCache
from instageo.data.reading.catalog_files import CatalogFile, CatalogFiles, UnusableFileError
from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt
from tests import faulty_server

SIDE, BLOCK = 600, 128
TRANSFORM = Affine(30, 0, 600_000, 0, -30, 5_000_000)
GRID = Grid(crs_wkt("EPSG:32632"), TRANSFORM, SIDE, SIDE)
PIXELS = np.random.default_rng(0).integers(1, 9000, (SIDE, SIDE)).astype(np.int16)
PIXELS[100:200, 100:300] = 0
THREADS = 8


def write(path, values=PIXELS, transform=TRANSFORM, **options):
    path.parent.mkdir(exist_ok=True)
    height, width = values.shape
    with rasterio.open(path, "w", **{
        "driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": values.dtype.name, "tiled": True,
        "crs": "EPSG:32632", "transform": transform, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate",
        **options,
    }) as file:  # fmt: skip
        file.write(values, 1)
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    for folder in ("good", "down", "later", "shaky"):
        write(root / folder / "a.tif")
    write(root / "good" / "rows.tif", tiled=False, blockysize=1)
    write(root / "good" / "south_up.tif", PIXELS[::-1], Affine(30, 0, 600_000, 0, 30, 5_000_000 - 30 * SIDE))
    whole = (root / "good/a.tif").read_bytes()
    (root / "good/half.tif").write_bytes(whole[: len(whole) // 2])
    (root / "good/text.tif").write_text("<html>please log in</html>")
    write(root / "good/locked.tif")
    (root / "good/locked.tif.locked").touch()
    return root


@pytest.fixture(scope="module")
def server(root):
    with faulty_server.running(root) as port:
        yield port


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(retries, "WAITS_S", (0.01,) * 5)


@pytest.fixture
def files(server, tmp_path):
    return CatalogFiles(lambda: PlainAccess(f"http://127.0.0.1:{server}"), BlockCache(tmp_path / "blocks", 10**8))


def file_at(server, name="good/a.tif", **options):
    return CatalogFile(f"http://127.0.0.1:{server}/{name}", "1", 0, **options)


def requests_of(server, before=0):
    return [entry for entry in faulty_server.log(server)[before:] if entry[0] == "GET" and entry[3]]


def check_window(block, rows, columns, pixels=PIXELS):
    assert_array_equal(block[0], pixels[rows, columns])
    assert_array_equal(block[1], pixels[rows, columns] != 0)


WINDOWS = [
    (slice(0, 1), slice(0, 1)),
    (slice(0, SIDE), slice(0, SIDE)),
    (slice(127, 129), slice(599, 600)),
    (slice(300, 301), slice(5, 590)),
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", ["a", "rows", "south_up"])
def test_windows_equal_slices(server, files, name, window):
    pixels = PIXELS[::-1] if name == "south_up" else PIXELS
    for _ in range(2):  # the second time from the cache
        check_window(files.read(file_at(server, f"good/{name}.tif"), window), *window, pixels)


def test_files_are_read_in_the_thread_that_asks(server, tmp_path, monkeypatch):
    """GDAL keeps connections by thread, so that new threads would open new ones."""
    access, threads = PlainAccess(f"http://127.0.0.1:{server}"), []
    monkeypatch.setattr(access, "gdal_options", lambda href: threads.append(current_thread()) or {})
    files = CatalogFiles(lambda: access, BlockCache(tmp_path / "blocks", 0))
    check_window(files.read(file_at(server), WINDOWS[0]), *WINDOWS[0])
    assert threads == [current_thread()] * 2  # header and block


def test_an_empty_window_reads_nothing(server, files):
    files.read_header(file_at(server))
    before = len(faulty_server.log(server))
    values, valid = files.read(file_at(server), (slice(5, 5), slice(0, 20)))
    assert (values.shape, valid.shape, values.dtype) == ((0, 20), (0, 20), np.int16)
    assert len(faulty_server.log(server)) == before


def bytes_of_blocks(path, rows, columns):
    with rasterio.open(path) as file:
        return sum(int(file.get_tag_item(f"BLOCK_SIZE_{c}_{r}", "TIFF", 1)) for r in rows for c in columns)


def test_threads_that_want_the_same_blocks_fetch_them_once(root, server, files):
    before, start = len(faulty_server.log(server)), Barrier(THREADS)
    rows, columns = slice(0, 384), slice(130, 380)  # blocks 0 to 2 by 1 to 2

    def read(_):
        start.wait()
        return files.read(file_at(server), (rows, columns))

    with ThreadPoolExecutor(THREADS) as pool:
        for block in pool.map(read, range(THREADS)):
            check_window(block, rows, columns)
    blocks = bytes_of_blocks(root / "good/a.tif", range(3), range(1, 3))
    fetched = sum(entry[3] for entry in requests_of(server, before))
    assert blocks < fetched < 1.5 * blocks
    before = len(faulty_server.log(server))
    check_window(files.read(file_at(server), (rows, columns)), rows, columns)
    assert len(faulty_server.log(server)) == before  # all from the cache


def test_threads_that_want_overlapping_blocks_of_several_files_end(server, files):
    windows = [(slice(number * 40, number * 40 + 300), slice(0, 600)) for number in range(THREADS)]
    tasks = [(file_at(server, f"good/{name}.tif"), window) for window in windows for name in ("a", "rows")] * 2
    with ThreadPoolExecutor(THREADS) as pool:
        for (_, window), block in zip(tasks, pool.map(lambda task: files.read(*task), tasks), strict=True):
            check_window(block, *window)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("good/none.tif", UnusableFileError, "has no such file"),
        ("good/half.tif", UnusableFileError, "truncated or damaged"),
        ("good/text.tif", UnusableFileError, "truncated or damaged"),
        ("good/locked.tif", UnusableFileError, "access denied"),
        ("down/a.tif", RasterError, "busy or down"),
    ],
)
def test_a_failure_ends_all_threads_that_wait(server, files, name, kind, message):
    start = Barrier(THREADS)

    def read(_):
        start.wait()
        with pytest.raises(RasterError, match=message) as caught:
            files.read(file_at(server, name), (slice(400, SIDE), slice(0, SIDE)))
        return type(caught.value)

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(read, range(THREADS))) == {kind}
    with pytest.raises(kind, match=message):
        files.read(file_at(server, name), (slice(400, SIDE), slice(0, SIDE)))


def test_a_cache_that_cannot_be_written_to_ends_all_threads(server, tmp_path):
    """Its folder is a file: one sentence for each thread, and none that waits for ever."""
    (tmp_path / "blocks").touch()
    files = CatalogFiles(lambda: PlainAccess(f"http://127.0.0.1:{server}"), BlockCache(tmp_path / "blocks", 10**8))
    start = Barrier(2)

    def read(_):
        start.wait()
        with pytest.raises(Exception, match="a part of the path is a file"):
            files.read(file_at(server), (slice(0, 10), slice(0, 10)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, range(2)))


def test_faults_that_pass_change_nothing(server, files):
    window = (slice(0, SIDE), slice(0, SIDE))
    for name in ("later/a.tif", "shaky/good/a.tif"):
        check_window(files.read(file_at(server, name), window), *window)


@pytest.mark.parametrize("former", [np.zeros((BLOCK, BLOCK), np.int32), np.zeros((2 * BLOCK, BLOCK), np.int16)])
def test_blocks_of_a_former_file_of_another_type_or_shape_are_not_used(server, files, tmp_path, former):
    file, window = file_at(server), (slice(0, 10), slice(0, 10))
    BlockCache(tmp_path / "blocks", 10**8).put(file.identity, 0, 0, (former, former == 0))
    check_window(files.read(file, window), *window)


def test_a_damaged_block_is_fetched_again(server, files, tmp_path):
    window = (slice(0, 10), slice(0, 10))
    check_window(files.read(file_at(server), window), *window)
    [path] = (tmp_path / "blocks").rglob("*.block")
    path.write_bytes(path.read_bytes()[:-500])
    before = len(faulty_server.log(server))
    check_window(files.read(file_at(server), window), *window)
    assert len(faulty_server.log(server)) > before


def test_two_lists_with_the_same_relative_addresses_do_not_share_blocks(tmp_path):
    """Paths are relative to the list, so they are no identity."""
    cache, window = BlockCache(tmp_path / "blocks", 10**8), (slice(0, 10), slice(0, 10))
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder / "a.tif", PIXELS + np.int16(number))
        files = CatalogFiles(partial(ListAccess, (folder,), PlainAccess()), cache)
        assert_array_equal(files.read(CatalogFile("a.tif", "1", 0), window)[0], PIXELS[window] + number)
    assert not cache.folder.exists()


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        (Grid(GRID.crs, TRANSFORM @ Affine.translation(2, 0), SIDE, SIDE), "600060"),
        (Grid(crs_wkt("EPSG:32633"), TRANSFORM, SIDE, SIDE), "32633"),
        (Grid(GRID.crs, TRANSFORM, SIDE - 100, SIDE), "4985000"),
    ],
)
def test_a_file_elsewhere_than_its_record_says_is_unusable(server, files, grid, says):
    with pytest.raises(
        UnusableFileError, match=rf"a\.tif: lies at 600000, 4982000 to .*, but its record says .*{says}"
    ):
        files.read_header(file_at(server, grid=grid))


@pytest.mark.parametrize("name", ["a", "south_up"])
def test_a_record_of_larger_pixels_of_the_same_place_fits(server, files, name):
    """Records of Sentinel-2 may give the grid of the bands of 10 m for those of 60 m."""
    grid = Grid(GRID.crs, Affine(60, 0, 600_000, 0, -60, 5_000_000), SIDE // 2, SIDE // 2)
    assert files.read_header(file_at(server, f"good/{name}.tif", grid=grid)).grid.shape == (SIDE, SIDE)


def test_a_full_cache_changes_nothing(server, tmp_path):
    cache = BlockCache(tmp_path / "blocks", 60_000)  # one or two blocks
    files = CatalogFiles(lambda: PlainAccess(f"http://127.0.0.1:{server}"), cache)
    for _ in range(2):
        for window in WINDOWS:
            check_window(files.read(file_at(server), window), *window)
    assert sum(path.stat().st_size for path in cache.folder.rglob("*.block")) <= 60_000
    shutil.rmtree(cache.folder)
    check_window(files.read(file_at(server), WINDOWS[1]), *WINDOWS[1])
