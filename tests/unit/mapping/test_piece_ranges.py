"""A map may be made in any ranges of its pieces, in any order and by several processes, and keeps its bytes."""

from itertools import pairwise

import numpy as np
import pytest

from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import WantedLayers
from instageo.model.mapping.map_pieces import map_pieces
from instageo.model.mapping.map_scene import map_scene
from instageo.model.mapping.prepared_map import MapOptions, PieceRange, prepare_map
from instageo.model.mapping.run_state import pieces_folder
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from tests.unit.mapping.conftest import NO_DATA, Content, make_predictor, write_scene

ROWS = 4  # of blocks
NAMES = ("map.tif", "map_probabilities.tif")


class Scene:
    """A scene, and the bytes of its map made at once."""

    def __init__(self, folder, shape):
        values = np.random.default_rng(1).integers(0, 3000, shape).astype(np.int16)
        values[300:1100, 90:] = NO_DATA
        path = write_scene(folder / "scene.tif", values)
        self.ensemble = Ensemble([make_predictor(Content(3), 3, 96, batch_size=4)])
        self.source = open_scene_input(SceneFiles("scene", (str(path),)), self.ensemble.first, ReadingOptions())
        self.options = MapOptions(WantedLayers(probabilities=True))
        made = map_scene(self.ensemble, self.source, folder / "whole" / "map.tif", self.options, {})
        self.num_tiles = made.num_tiles
        self.expected = self.contents(folder / "whole")

    @staticmethod
    def contents(folder):
        return {name: (folder / name).read_bytes() for name in NAMES}

    def prepare(self, folder, **options):
        options = MapOptions(self.options.layers, **options)
        return prepare_map(self.ensemble.first, self.source, folder / "map.tif", options, {})


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"), (1600, 250))


@pytest.mark.parametrize(("borders", "backwards"), [((0, 1, 2, 3, 4), True), ((0, 3, 4), False), ((0, 1, 4), True)])
def test_any_division_gives_the_same_bytes(scene, tmp_path, borders, backwards):
    ranges = [PieceRange(0, range(*pair)) for pair in pairwise(borders)]
    with scene.prepare(tmp_path) as prepared:
        assert prepared.missing_ranges() == [PieceRange(0, range(ROWS))]
        made = [map_pieces(scene.ensemble, prepared, each) for each in (ranges[::-1] if backwards else ranges)]
        assert prepared.missing_ranges() == []
        prepared.join()
    assert scene.contents(tmp_path) == scene.expected
    repeated = sum(each.num_tiles for each in made) - scene.num_tiles
    assert repeated <= 4 * 2 * (len(ranges) - 1)  # tiles across borders: of at most 2 rows of 4


def test_several_panels_in_ranges_give_the_same_bytes(tmp_path):
    scene = Scene(tmp_path, (600, 800))
    with scene.prepare(tmp_path, memory_mb=22) as prepared:
        ranges = prepared.missing_ranges(max_rows=1)
        assert ranges == [PieceRange(panel, range(row, row + 1)) for panel in (0, 1) for row in (0, 1)]
        for each in ranges[::2] + ranges[1::2]:
            map_pieces(scene.ensemble, prepared, each)
        prepared.join()
    assert scene.contents(tmp_path) == scene.expected


def test_gaps_of_a_stopped_run_are_filled(scene, tmp_path):
    """Ranges that other processes had begun leave several gaps; a run in one process fills these alone."""

    def stop(*rows):
        with scene.prepare(tmp_path) as prepared:
            missing = prepared.missing_ranges()
            for row in rows:
                map_pieces(scene.ensemble, prepared, PieceRange(0, range(row, row + 1)))
            raise KeyboardInterrupt(missing)

    with pytest.raises(KeyboardInterrupt):
        stop(0, 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value.args[0] == [PieceRange(0, range(1, 2)), PieceRange(0, range(3, 4))]
    seen = []
    made = map_scene(
        scene.ensemble, scene.source, tmp_path / "map.tif", scene.options, {}, progress=lambda *each: seen.append(each)
    )
    assert scene.contents(tmp_path) == scene.expected
    assert seen[0] == (36, 60)  # of 20 rows of 3 tiles, 7 touch the rows 512 to 1023, and 1 those from 1536 on
    assert seen[-1][0] == seen[-1][1]
    assert made.num_tiles < scene.num_tiles
    assert not pieces_folder(tmp_path / "map.tif").exists()


def test_a_range_keeps_the_pieces_that_are_there(scene, tmp_path):
    with scene.prepare(tmp_path) as prepared:
        map_pieces(scene.ensemble, prepared, PieceRange(0, range(2)))
        seen = []
        again = map_pieces(scene.ensemble, prepared, PieceRange(0, range(2)), progress=seen.append)
        assert (again.num_tiles, again.num_empty, again.samples) == (0, 0, [])
        assert sum(seen) == prepared.num_tiles(PieceRange(0, range(2)))
        rest = map_pieces(scene.ensemble, prepared, PieceRange(0, range(ROWS)), max_samples=3)
        assert len(rest.samples) == 3
        prepared.join()
    assert scene.contents(tmp_path) == scene.expected


def test_an_overview_that_nobody_made_is_made_before_joining(scene, tmp_path):
    with scene.prepare(tmp_path) as prepared:
        map_pieces(scene.ensemble, prepared, PieceRange(0, range(ROWS)))
        for path in prepared.stores[0].folder.glob("level[12]-*.tif"):
            path.unlink()
        prepared.join()
    assert scene.contents(tmp_path) == scene.expected
