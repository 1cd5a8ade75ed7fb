"""`engine=ray` of `mode=map`: the same bytes as in one process, also after killed workers and beside broken scenes."""

import json
import re
import shutil

import numpy as np
import pytest
from affine import Affine
from typer.testing import CliRunner

from instageo.cli import app
from instageo.errors import DataError
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from tests.integration.ray_messages import printed
from tests.integration.test_bad_input import one_sentence

ray = pytest.importorskip("ray", reason="the extra `serve` is not installed")

from instageo.model.inference import ray_cluster  # noqa: E402  # needs Ray
from instageo.model.map_jobs import ray_maps  # noqa: E402
from instageo.model.map_jobs.collection import ITEMS, MOSAIC  # noqa: E402
from tests.integration import killed_map_workers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

SIZES = {"small": (90, 70), "tall": (2100, 100), "tiny": (20, 30)}


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, for all tests."""
    with ray_cluster.ray_cluster(None, num_cpus=2):
        yield


@pytest.fixture(scope="module")
def model(trained):
    return trained[1]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Scenes of several sizes, of which `tall` has five rows of blocks."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(2)
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        values = rng.integers(300, 4000, (6, height, width)).astype(np.int16)
        values[:, :7, :9] = -9999
        grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 9600 * number, 0, -30, 4_000_000), height, width)
        write_raster(folder / f"{name}.tif", values, grid)
    return folder


@pytest.fixture(scope="module")
def expected(model, scenes, tmp_path_factory):
    """Contents of the maps that one process makes."""
    folder = tmp_path_factory.mktemp("local")
    assert map_with("local", model, [scenes], folder / "maps") == 0
    return contents(folder / "maps")


@pytest.fixture
def divided(monkeypatch):
    """Scenes count as large from 100,000 values, and ranges have one row of blocks or more."""
    monkeypatch.setattr(ray_maps, "LARGE_SCENE", 100_000)
    monkeypatch.setattr(ray_maps, "MIN_RANGE_ROWS", 1)


def map_with(engine, model, scenes, output, *extra):
    names = ",".join(map(str, scenes))
    what = ["mode=map", f"checkpoint_path={model}", f"map.scenes=[{names}]", f"map.output={output}"]
    how = ["map.probabilities=true", f"engine={engine}", "accelerator=cpu", f"hydra.run.dir={output}_run"]
    return main([*what, *how, *extra])


def contents(folder):
    """Return the files of all maps, without what is written over them: the Items hold the times of the files."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in (MOSAIC, ITEMS)}


@pytest.mark.usefixtures("cluster", "divided")
def test_both_engines_give_the_same_files(model, scenes, expected, tmp_path, capfd):
    assert map_with("ray", model, [scenes], tmp_path / "maps", "ray.num_workers=2") == 0
    assert contents(tmp_path / "maps") == expected
    assert len(expected) == 3 * 6  # map, probabilities, two tables of areas, picture, legend; no folder of pieces
    capfd.readouterr()
    assert map_with("local", model, [scenes], tmp_path / "maps") == 0
    again = capfd.readouterr().err
    assert again.count("kept, since it is of the same scene, model and settings") == 3


@pytest.mark.usefixtures("cluster", "divided")
def test_the_task_of_a_killed_worker_is_done_again(model, scenes, expected, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(ray_maps, "MapWorker", killed_map_workers.KilledOnce)
    assert map_with("ray", model, [scenes], tmp_path / "maps", "ray.num_workers=2") == 0
    assert (tmp_path / "killed").exists()
    assert contents(tmp_path / "maps") == expected
    assert "a process or a machine was lost; its work is repeated" in capfd.readouterr().err


@pytest.mark.usefixtures("cluster", "divided")
def test_a_scene_that_kills_workers_stops_no_other(model, scenes, expected, tmp_path, monkeypatch, capfd):
    """What was made of it is taken up in one process."""
    monkeypatch.setattr(ray_maps, "MapWorker", killed_map_workers.KilledAlways)
    output = tmp_path / "maps"
    status = map_with("ray", model, [scenes], output, "ray.num_workers=2", "ray.max_retries=1")
    sentence = one_sentence((status, *printed(capfd)))
    assert "1 of 3 scenes could not be mapped: tall: its process was killed in each attempt" in sentence
    shutil.copytree(output, tmp_path / "made", ignore=lambda *_: ["tall.tif.parts"])
    assert contents(tmp_path / "made") == {
        name: content for name, content in expected.items() if not name.startswith("tall")
    }
    assert map_with("local", model, [scenes], output) == 0
    assert contents(output) == expected
    tiles = re.search(r"tall.tif: (\d+) tiles", capfd.readouterr().err)
    assert int(tiles[1]) < 786  # of the whole scene


@pytest.mark.usefixtures("cluster")
def test_a_network_that_cannot_be_loaded_ends_the_run(model, scenes, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(ray_maps, "MapWorker", killed_map_workers.NeverLoaded)
    how = ["ray.num_workers=1", "ray.max_retries=0"]
    status = map_with("ray", model, [scenes / "tiny.tif"], tmp_path / "maps", *how)
    sentence = one_sentence((status, *printed(capfd)))
    assert "1 process was killed while loading it, perhaps for lack of memory" in sentence


@pytest.mark.usefixtures("cluster")
def test_a_broken_scene_stops_no_other(model, scenes, expected, tmp_path):
    """Also from the command line."""
    for name in SIZES:
        shutil.copy(scenes / f"{name}.tif", tmp_path)
    broken = bytearray((tmp_path / "tall.tif").read_bytes())
    broken[20_000:200_000] = bytes(180_000)
    (tmp_path / "tall.tif").write_bytes(broken)
    names = [str(tmp_path / f"{name}.tif") for name in ("tall", "small", "tiny")]
    options = ["--probabilities", "--device", "cpu", "--engine", "ray", "--num-workers", "1", "--json"]
    result = CliRunner().invoke(app, ["map", str(model), *names, "-o", str(tmp_path / "maps"), *options])
    assert isinstance(result.exception, DataError)
    assert "1 of 3 scenes could not be mapped: " in str(result.exception)
    assert "tall.tif" in str(result.exception)
    reports = json.loads(result.stdout)
    assert [report["scene"] for report in reports] == ["tall", "small", "tiny"]
    assert [report["error"] is None for report in reports] == [False, True, True]
    for name in ("small.tif", "tiny.tif"):
        made, whole = (read_raster(path) for path in (tmp_path / "maps" / name, write(tmp_path / "w", expected[name])))
        assert np.array_equal(made.values, whole.values)


def write(path, content):
    path.write_bytes(content)
    return path
