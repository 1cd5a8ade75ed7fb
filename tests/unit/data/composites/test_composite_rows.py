"""Composites of images on this disk, against NumPy: first and median, with and without quality layers, by parts."""

from functools import partial

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.catalogs.access import ListAccess, PlainAccess
from instageo.data.composites import composite_rows
from instageo.data.composites.composite_rows import CompositeRows
from instageo.data.composites.composite_scene import CompositeScene, UnusableImageError, composite_image
from instageo.data.items.item import item_from_stac
from instageo.data.reading.block_cache import BlockCache
from instageo.data.reading.catalog_files import CatalogFiles
from instageo.data.sources.sources import find_source
from instageo.raster.grid import Grid
from instageo.raster.scenes.reading_parts import ReadingStoppedError
from instageo.raster.warp import crs_wkt
from instageo.raster.writing import write_raster
from tests.items import record_of

HEIGHT, WIDTH, IMAGES = 90, 130, 5
GRID = Grid(crs_wkt("EPSG:32632"), Affine(30, 0, 600_000, 0, -30, 4_900_020), HEIGHT, WIDTH)
HLS_BANDS = {"BLUE": "B02", "RED": "B04"}
RADAR_BANDS = {"VV": "vv", "VH": "vh"}
ALL = slice(0, HEIGHT), slice(0, WIDTH)


class Ground:
    """Images of random values and clouds; the first band of each has holes that its quality layer does not know of."""

    def __init__(self, folder, source):
        self.source, self.is_radar = find_source(source), source == "sentinel1"
        bands = RADAR_BANDS if self.is_radar else HLS_BANDS
        rng = np.random.default_rng(1)
        shape = IMAGES, 2, HEIGHT, WIDTH
        if self.is_radar:
            self.values = rng.gamma(2, 0.1, shape).astype(np.float32)
        else:
            self.values = rng.integers(-50, 9000, shape).astype(np.int16)
        self.valid = rng.random((IMAGES, HEIGHT, WIDTH)) < 0.7
        self.clear = np.ones_like(self.valid) if self.is_radar else rng.random(self.valid.shape) < 0.6
        self.valid[:, :5, :7], self.clear[:, :5, :7] = False, self.is_radar
        open_access = partial(ListAccess, (folder,), PlainAccess())
        files = CatalogFiles(open_access, BlockCache(folder / "blocks", 0))
        self.items, self.images, self.files = [], [], files
        collection = "sentinel-1-rtc" if self.is_radar else "hls2-s30"
        [product] = [p for p in self.source.products["planetary"] if p.collection == collection]
        for number in range(IMAGES):
            names = [*bands.values(), *(() if self.is_radar else ("Fmask",))]
            record = record_of(day=f"2024-05-{number + 1:02}", collection=collection, assets=names)
            for name in ("proj:shape", "proj:transform"):
                del record["properties"][name]
            for position, asset in enumerate(bands.values()):
                stored = self.values[number, position].copy()
                if position == 0:
                    stored[~self.valid[number]] = self.source.no_data
                self.write(folder, record, number, asset, stored, self.source.no_data)
            if not self.is_radar:
                self.write(folder, record, number, "Fmask", np.where(self.clear[number], 64, 2).astype(np.uint8), 255)
            self.items.append(item_from_stac(record))
            self.images.append(composite_image(self.items[-1], product, tuple(bands), self.source, open_access()))
        self.bands = tuple(bands)

    def write(self, folder, record, number, asset, stored, no_data):
        name = f"{number}_{asset}.tif"
        write_raster(folder / name, stored[None], GRID, no_data_value=no_data)
        record["assets"][asset]["href"] = name

    def scene(self, dates=(range(IMAGES),), **options):
        images = tuple(tuple(self.images[number] for number in date) for date in dates)
        mask = () if self.is_radar else ("cloud", "shadow")
        return CompositeScene(GRID, images, self.bands, self.source, self.files, mask=mask, **options)

    def observed(self, numbers):
        """Return values with NaN where they are not observed, shape (N, 2, H, W), float64."""
        seen = (self.valid & self.clear)[list(numbers)]
        return np.where(seen[:, None], self.values[list(numbers)].astype(float), np.nan)


@pytest.fixture(scope="module", params=["hls", "sentinel1"])
def ground(request, tmp_path_factory):
    return Ground(tmp_path_factory.mktemp(request.param), request.param)


def read(scene, rows=ALL[0], columns=ALL[1], height=HEIGHT):
    """Read a window in strips of this height."""
    with CompositeRows(scene, columns) as reader:
        parts = [reader.read(start, min(start + height, rows.stop)) for start in range(rows.start, rows.stop, height)]
    return [np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)]


def first_observation(stack):
    """Return the first observation of each pixel, NaN without one, shape (2, H, W)."""
    result = np.full(stack.shape[1:], np.nan)
    for values in stack[::-1]:
        result = np.where(np.isnan(values), result, values)
    return result


def check(scene, expected):
    values, valid = read(scene)
    assert_array_equal(valid, ~np.isnan(expected[::2]))
    seen = ~np.isnan(expected)
    assert values.dtype == scene.dtype
    assert_array_equal(values[seen], expected[seen].astype(values.dtype))
    assert 0.05 < (~seen).mean() < 0.9 or seen.mean() > 0.95


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 1)])
def test_the_first_observation_counts(ground, order):
    check(ground.scene([order]), first_observation(ground.observed(order)))


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (2, 4), (1,)])
def test_the_median_is_that_of_numpy(ground, order):
    stack = ground.observed(order)
    expected = np.nanmedian(stack.astype(np.float32), axis=0).astype(float)
    check(ground.scene([order], is_median=True), expected if ground.is_radar else np.rint(expected))


def test_a_single_image(ground):
    check(ground.scene([(2,)]), ground.observed([2])[0])


def test_dates_are_combined_one_by_one(ground):
    dates = [(0, 1), (4,), (3, 2)]
    check(ground.scene(dates), np.concatenate([first_observation(ground.observed(date)) for date in dates]))


@pytest.mark.slow
@pytest.mark.parametrize("is_median", [False, True])
def test_windows_and_strips_of_any_size_are_the_same(ground, is_median, monkeypatch):
    scene = ground.scene(is_median=is_median)
    values, valid = read(scene)
    monkeypatch.setattr(composite_rows, "MAX_BYTES", 1)
    monkeypatch.setattr(composite_rows, "MIN_COLUMNS", 17)
    for rows, columns, height in ((ALL[0], ALL[1], 41), (slice(7, 8), slice(100, 101), 1), (slice(40, 90), ALL[1], 27)):
        own_values, own_valid = read(scene, rows, columns, height)
        assert_array_equal(own_values, values[:, rows, columns])
        assert_array_equal(own_valid, valid[:, rows, columns])


def test_numbers_and_pixels_of_images(ground):
    """By quality layers where there are some, otherwise by bands."""
    shown = np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.5
    seen = (ground.valid if ground.is_radar else ground.clear) & shown
    expected = np.where(seen.any(axis=0), seen.argmax(axis=0), 255)
    with CompositeRows(ground.scene(), ALL[1]) as reader:
        numbers, pixels = reader.read_origins(0, 0, shown)
    assert_array_equal(numbers, expected)
    assert pixels.tolist() == [(expected == number).sum() for number in range(IMAGES)]
    with CompositeRows(ground.scene(is_median=True), ALL[1]) as reader:
        numbers, pixels = reader.read_origins(0, 0, shown)
    counts = seen.sum(axis=0)
    assert_array_equal(numbers, np.where(counts, counts, 255))
    assert pixels.tolist() == [own.sum() for own in seen]


def polygon(*boxes):
    """Return boxes of rows and columns as a GeoJSON multipolygon on the grid."""
    rings = []
    for top, left, bottom, right in boxes:
        xs, ys = GRID.to_crs([top, bottom], [left, right])
        rings.append([[[xs[0], ys[0]], [xs[1], ys[0]], [xs[1], ys[1]], [xs[0], ys[1]], [xs[0], ys[0]]]])
    return {"type": "MultiPolygon", "coordinates": rings}


@pytest.mark.parametrize("is_median", [False, True])
def test_pixels_beyond_the_area_are_not_observed(ground, is_median):
    area = polygon((3, 5, 20, 30), (60, 100, 61, 101))
    scene = ground.scene(is_median=is_median, read_area=area, shown=area)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[3:20, 5:30], inside[60, 100] = True, True
    values, valid = read(ground.scene(is_median=is_median))
    own_values, own_valid = read(scene, height=11)
    assert_array_equal(own_valid, valid & inside)
    assert_array_equal(own_values[:, own_valid[0]], values[:, own_valid[0]])
    assert_array_equal(scene.wanted(*ALL), inside)
    assert scene.num_shown == inside.sum() == 17 * 25 + 1


def test_images_that_do_not_reach_the_window_show_nothing(ground):
    grid = Grid(GRID.crs, Affine(30, 0, 700_000, 0, -30, 4_900_020), 10, 20)
    scene = CompositeScene(grid, (tuple(ground.images),), ground.bands, ground.source, ground.files)
    with CompositeRows(scene, slice(0, 20)) as reader:
        values, valid = reader.read(0, 10)
        numbers, _ = reader.read_origins(0, 0, np.ones((10, 20), bool))
    assert not values.any()
    assert not valid.any()
    assert (numbers == 255).all()


def test_a_stopped_reader_and_a_missing_file(ground, tmp_path):
    with CompositeRows(ground.scene(), ALL[1], lambda: True) as reader, pytest.raises(ReadingStoppedError):
        reader.read(0, 10)
    files = CatalogFiles(partial(ListAccess, (tmp_path,), PlainAccess()), BlockCache(tmp_path, 0))
    scene = CompositeScene(GRID, ((ground.images[3],),), ground.bands, ground.source, files)
    for action in (lambda: read(scene), lambda: scene.strip_rows):
        with pytest.raises(UnusableImageError, match="the file does not exist") as caught:
            action()
        assert caught.value.item is ground.items[3]


@pytest.mark.parametrize("is_median", [False, True])
def test_columns_between_far_parts_are_not_read(ground, is_median, monkeypatch):
    """With a gap of 60 columns between them; what is read is counted."""
    area = polygon((10, 5, 20, 30), (12, 90, 30, 120))
    monkeypatch.setattr(composite_rows, "MIN_GAP", 59)
    windows, read_window = [], CatalogFiles.read
    monkeypatch.setattr(
        CatalogFiles, "read", lambda self, file, window: windows.append(window) or read_window(self, file, window)
    )
    values, valid = read(ground.scene(is_median=is_median, read_area=area))
    for _, columns in windows:
        assert (columns.start, columns.stop) == (5, 30) or 90 <= columns.start < columns.stop <= 120 or (
            5 <= columns.start < columns.stop <= 30
        )  # fmt: skip
    assert len({columns.start // 60 for _, columns in windows}) == 2
    monkeypatch.setattr(composite_rows, "MIN_GAP", 1000)
    own_values, own_valid = read(ground.scene(is_median=is_median, read_area=area))
    assert_array_equal(own_values, values)
    assert_array_equal(own_valid, valid)


def test_an_area_without_a_pixel_reads_nothing(ground):
    scene = ground.scene(read_area=polygon((10.6, 5.6, 10.9, 5.9)))
    values, valid = read(scene)
    assert not values.any()
    assert not valid.any()
