"""A run that was stopped goes on where it was, and ends with the same bytes; a changed one begins anew."""

import logging

import numpy as np
import pytest

from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_scene import map_scene
from instageo.model.mapping.prepared_map import MapOptions
from instageo.model.mapping.run_state import pieces_folder
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from tests.unit.mapping.conftest import Content, make_predictor, write_scene


class StoppedError(Exception):
    """What stops a run."""


def make(tmp_path, name, fingerprint, *, stop_after=None, predictor=None):
    ensemble = Ensemble([predictor or make_predictor(Content(3), 3, 64)])
    source = open_scene_input(SceneFiles("scene", (str(tmp_path / "scene.tif"),)), ensemble.first, ReadingOptions())
    seen = []

    def progress(done, total):
        seen.append(done / total)
        if stop_after is not None and done / total >= stop_after:
            raise StoppedError

    try:
        made = map_scene(ensemble, source, tmp_path / name, MapOptions(), fingerprint, progress=progress)
    except StoppedError:
        return None, seen
    return made, seen


@pytest.fixture
def scene(tmp_path):
    values = np.random.default_rng(1).integers(0, 3000, (1300, 90)).astype(np.int16)
    write_scene(tmp_path / "scene.tif", values)
    return tmp_path


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.99])
def test_a_stopped_run_goes_on(scene, share):
    make(scene, "whole.tif", {})
    assert make(scene, "again.tif", {}, stop_after=share)[0] is None
    assert not (scene / "again.tif").exists()
    made, seen = make(scene, "again.tif", {})
    assert made is not None
    assert (scene / "again.tif").read_bytes() == (scene / "whole.tif").read_bytes()
    assert seen[0] >= 0.35 if share >= 0.5 else seen[0] == 0  # what was done before counts as done
    assert not pieces_folder(scene / "again.tif").exists()


def test_a_changed_run_begins_anew_and_says_why(scene, caplog):
    make(scene, "map.tif", {"model": "a", "tiles": 3}, stop_after=0.8)
    with caplog.at_level(logging.INFO, "instageo"):
        _, seen = make(scene, "map.tif", {"model": "b", "tiles": 3}, stop_after=0.8)
    assert seen[0] == 0
    assert "what was made of map.tif before is made again: model changed" in caplog.text


def test_a_damaged_record_begins_anew(scene, caplog):
    make(scene, "map.tif", {}, stop_after=0.8)
    (pieces_folder(scene / "map.tif") / "run.json").write_text("{")
    with caplog.at_level(logging.INFO, "instageo"):
        made, _ = make(scene, "map.tif", {})
    assert made is not None
    assert "its record is damaged" in caplog.text
