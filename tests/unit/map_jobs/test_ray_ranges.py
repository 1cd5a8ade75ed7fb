"""How scenes are divided among workers on Ray; no Ray is started."""

from contextlib import contextmanager

import numpy as np
import pytest

from instageo.model.mapping.prepared_map import MapOptions, prepare_map
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from tests.unit.mapping.conftest import Remainder, make_predictor, write_scene

pytest.importorskip("ray", reason="the extra `serve` is not installed")

from instageo.model.map_jobs import ray_maps  # needs Ray


@contextmanager
def prepared(folder, height):
    path = write_scene(folder / "scene.tif", np.zeros((height, 40), np.int16))
    predictor = make_predictor(Remainder(3), 3, 32)
    source = open_scene_input(SceneFiles("scene", (str(path),)), predictor, ReadingOptions())
    with prepare_map(predictor, source, folder / "map.tif", MapOptions(), {}) as made:
        yield made


def rows_of_ranges(folder, height, num_workers, done=()):
    with prepared(folder, height) as made:
        for row in done:
            rows = made.layout.rows(row)
            made.stores[0].write_rows(0, row, np.zeros((1, rows.stop - rows.start, 40), np.uint8))
        return [(each.rows.start, each.rows.stop) for each in ray_maps.divide(made, num_workers)]


def test_a_small_scene_is_one_task(tmp_path):
    assert rows_of_ranges(tmp_path, 11264, 4) == [(0, 22)]  # 22 rows of blocks


@pytest.mark.parametrize(
    ("num_workers", "done", "expected"),
    [
        (1, (), [(0, 22)]),
        (2, (), [(0, 6), (6, 12), (12, 18), (18, 22)]),  # two for each worker
        (8, (), [(0, 4), (4, 8), (8, 12), (12, 16), (16, 20), (20, 22)]),  # of four rows at least
        (2, range(12), [(12, 16), (16, 20), (20, 22)]),
        (2, (5, 6), [(0, 5), (7, 12), (12, 17), (17, 22)]),
        (2, range(22), []),
    ],
)
def test_a_large_scene_is_divided_among_workers(tmp_path, monkeypatch, num_workers, done, expected):
    monkeypatch.setattr(ray_maps, "LARGE_SCENE", 11264 * 40 - 1)
    assert rows_of_ranges(tmp_path, 11264, num_workers, done) == expected
