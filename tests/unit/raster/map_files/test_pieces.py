"""Pieces of maps: whole or absent, overviews as soon as their sources are there, repaired after damage."""

import itertools
import os

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from instageo.errors import RasterError, WriteError
from instageo.raster.map_files.layout import MapLayout, Piece
from instageo.raster.map_files.overviews import halve_classes, halve_values
from instageo.raster.map_files.pieces import PieceStore
from tests.disks import file_size_limit, mounted_disk
from tests.unit.raster.map_files.map_runs import random_pixels, write_missing


def read_level(store, level):
    """All pixels of a level, put together from its pieces."""
    layout = store.layout
    whole = np.empty((layout.layers, *layout.level_shapes[level]), layout.dtype)
    for piece in layout.pieces():
        if piece.level == level:
            whole[:, layout.rows(piece.row, level), layout.columns(piece.column, level)] = store.read(piece)
    return whole


def names(store):
    return sorted(path.name for path in store.folder.iterdir())


@pytest.fixture
def finished(tmp_path):
    """Store of a map of three panels with all its pieces."""
    store = PieceStore(tmp_path / "parts", MapLayout(60, 90, num_panels=3, block=16))
    write_missing(store, random_pixels(store.layout))
    return store


@pytest.mark.parametrize("size", [(55, 90), (18, 261), (129, 16), (7, 5)])
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"dtype": "uint16", "no_data": 65535},
        {"layers": 3, "overview": "mean"},
        {"layers": 2, "overview": "mean", "dtype": "float32", "no_data": float("nan")},
        {"no_data": None},
    ],
    ids=["classes", "uint16", "planes", "floats", "no no-data"],
)
def test_overviews_are_those_of_the_whole_map_for_any_panels(tmp_path, size, kind):
    layout = MapLayout(*size, block=16, **kind)
    halve = halve_classes if layout.overview == "mode" else halve_values
    expected = [random_pixels(layout)]
    for _ in layout.level_shapes[1:]:
        expected.append(halve(expected[-1], layout.no_data))
    for num_panels in [1, 2, 3] if not kind else [2]:
        if num_panels > -(-size[1] // 16):
            continue
        layout = MapLayout(*size, block=16, num_panels=num_panels, **kind)
        store = PieceStore(tmp_path / str(num_panels), layout)
        write_missing(store, expected[0])
        assert store.missing() == []
        for level, pixels in enumerate(expected):
            assert_array_equal(read_level(store, level), pixels)


def test_the_order_in_which_pieces_are_written_does_not_matter(tmp_path):
    layout = MapLayout(70, 40, num_panels=2, block=16)
    pixels = random_pixels(layout)
    contents = []
    for seed in range(3):
        store = PieceStore(tmp_path / str(seed), layout)
        places = list(itertools.product(range(2), range(layout.num_rows())))
        for column, row in np.random.default_rng(seed).permutation(places).tolist():
            store.write_rows(column, row, pixels[:, layout.rows(row), layout.columns(column)])
        contents.append({path.name: path.read_bytes() for path in store.folder.iterdir()})
    assert contents[0] == contents[1] == contents[2]


def test_an_overview_is_made_when_its_last_source_is_there(tmp_path):
    store = PieceStore(tmp_path, MapLayout(64, 16, block=16))
    pixels = random_pixels(store.layout)
    for row, overviews in enumerate([[], [(1, 0)], [], [(1, 1), (2, 0)]]):
        before = set(store.missing())
        store.write_rows(0, row, pixels[:, 16 * row : 16 * row + 16])
        made = {(piece.level, piece.row) for piece in before - set(store.missing())}
        assert made == {(0, row), *overviews}
    assert store.missing() == []


def test_missing_pieces_are_listed_by_panel_from_the_top(tmp_path):
    store = PieceStore(tmp_path / "absent", MapLayout(30, 40, num_panels=2, block=16))
    assert store.missing() == [*itertools.starmap(Piece, [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]), (1, 0, 0),
                               (1, 1, 0), (2, 0, 0)]  # fmt: skip
    assert not store.has(0, 0, 0)


def test_values_must_fit_the_layout(tmp_path):
    store = PieceStore(tmp_path / "parts", MapLayout(30, 40, block=16))
    with pytest.raises(ValueError, match=r"\(1, 16, 39\) of uint8.*has \(1, 16, 40\) of uint8"):
        store.write_rows(0, 0, np.zeros((1, 16, 39), np.uint8))
    with pytest.raises(ValueError, match="of int16"):
        store.write_rows(0, 0, np.zeros((1, 16, 40), np.int16))
    assert not store.folder.exists()


def test_writing_a_piece_again_renews_its_overviews(finished):
    pixels = random_pixels(finished.layout, seed=1)
    for column in range(3):
        columns = finished.layout.columns(column)
        finished.write(0, column, 0, pixels[:, :16, columns])
        assert not any(finished.has(*piece) for piece in finished.layout.dependents(Piece(0, column, 0)))
        for row in range(finished.layout.num_rows()):
            finished.write_rows(column, row, pixels[:, finished.layout.rows(row), columns])
    assert_array_equal(read_level(finished, 1), halve_classes(pixels, 255))
    assert finished.missing() == []


def damage_truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def damage_empty(path):
    path.write_bytes(b"")


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [damage_truncate, damage_empty, damage_flip, damage_zeros])
def test_a_damaged_piece_is_removed_with_its_overviews(finished, damage):
    pixels, whole = random_pixels(finished.layout), names(finished)
    damage(finished.path(Piece(0, 1, 2)))
    finished.repair()
    assert [piece for piece in finished.missing() if piece.level == 0] == [(0, 1, 2)]
    assert not any(finished.has(*piece) for piece in finished.layout.dependents(Piece(0, 1, 2)))
    write_missing(finished, pixels)
    assert names(finished) == whole
    assert_array_equal(read_level(finished, 0), pixels)


@pytest.mark.parametrize("damage", [damage_truncate, damage_flip, lambda path: path.unlink()])
def test_a_damaged_or_missing_overview_is_made_again(finished, damage):
    contents = {path.name: path.read_bytes() for path in finished.folder.iterdir()}
    for piece in finished.layout.pieces():
        if piece.level:
            damage(finished.path(piece))
            finished.repair()
            assert {path.name: path.read_bytes() for path in finished.folder.iterdir()} == contents


def test_overviews_without_their_sources_are_removed(finished):
    finished.path(Piece(0, 2, 3)).unlink()
    finished.repair()
    last = len(finished.layout.level_shapes) - 1
    assert {piece.level for piece in finished.missing()} == set(range(last + 1))


def test_temporary_files_and_pieces_of_other_layouts_are_removed(finished):
    (finished.folder / ".level0-column0-row0.tif.0123456789ab.part").write_bytes(b"half a piece")
    (finished.folder / "level9-column0-row0.tif").write_bytes(b"a piece of another layout")
    whole = [name for name in names(finished) if "level9" not in name and "part" not in name]
    finished.repair()
    assert names(finished) == whole
    assert finished.missing() == []
    other = PieceStore(finished.folder, MapLayout(60, 90, num_panels=2, block=16))
    other.repair()
    assert names(finished) == []
    assert other.missing() == list(other.layout.pieces())


def test_repairing_a_folder_that_is_not_there_makes_none(tmp_path):
    PieceStore(tmp_path / "parts", MapLayout(100, 90, block=16)).repair()
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_source_is_named(finished):
    path = finished.path(Piece(0, 0, 1))
    path.write_bytes(b"no TIFF")
    with pytest.raises(RasterError, match=f"{path.name}: cannot be read .*; run the command again"):
        finished.write_rows(0, 0, random_pixels(finished.layout)[:, :16, finished.layout.columns(0)])


def test_pieces_are_ordinary_files_of_whole_blocks(finished):
    with rasterio.open(finished.path(Piece(0, 2, 3))) as source:
        assert (source.height, source.width) == (16, 32)
        assert source.read(1)[12:, 26:].tolist() == [[255] * 6] * 4


def test_a_full_disk_leaves_finished_pieces(tmp_path):
    layout = MapLayout(320, 320, block=32, layers=4, overview="mean")
    pixels = np.random.default_rng(0).integers(0, 255, (4, 320, 320)).astype(np.uint8)
    with mounted_disk(tmp_path / "disk", "256k"):
        store = PieceStore(tmp_path / "disk" / "parts", layout)
        with pytest.raises(
            WriteError, match=r"level\d-column0-row\d\.tif: cannot be written: No space left on dev"
        ) as e:
            write_missing(store, pixels)
        assert "\n" not in str(e.value)
        before = names(store)
        assert 2 < len(before) < 10
        assert not any(name.endswith(".part") for name in before)
        with pytest.raises(WriteError):
            write_missing(store, pixels)
        store.repair()
        assert set(before) <= set(names(store))
        subset = [piece for piece in layout.pieces() if store.has(*piece)]
        assert_array_equal(store.read(subset[0]), pixels[:, :32])


def test_a_limit_of_the_file_size_leaves_no_piece(tmp_path):
    store = PieceStore(tmp_path / "parts", MapLayout(100, 90, block=16))
    with file_size_limit(100), pytest.raises(WriteError, match="limit of a file's size"):
        write_missing(store, random_pixels(store.layout))
    assert names(store) == []
    write_missing(store, random_pixels(store.layout))
    assert store.missing() == []
