"""The demo and the command line as a newcomer meets them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from instageo.demo import workflow
from instageo.demo.workflow import CLASS_NAMES, LANDCOVER, RESULTS, SCENE
from instageo.raster.reading import read_info, read_raster

INSTAGEO = Path(sys.executable).with_name("instageo")


def test_the_scene_is_small_real_and_lacks_38_percent():
    scene, landcover = read_raster(SCENE), read_raster(LANDCOVER)
    assert scene.bands == ("BLUE", "GREEN", "RED", "NIR", "SWIR_1", "SWIR_2")
    assert scene.grid.matches(landcover.grid)
    assert round(float((~scene.valid.all(axis=0)).mean()), 2) == 0.38
    assert set(np.unique(landcover.values)) == set(range(8))
    assert sum(path.stat().st_size for path in SCENE.parent.iterdir()) < 1_500_000
    assert "CC BY-SA 3.0" in (SCENE.parent / "README.md").read_text()


def test_help_steers_a_newcomer():
    shown = subprocess.run([INSTAGEO, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("demo", "run", "instageo demo"):
        assert word in shown
    lists = subprocess.run([INSTAGEO, "run", "--cfg", "job"], capture_output=True, text=True, check=True).stdout
    assert "learning_rate: 0.0001" in lists


def test_an_unknown_command_is_named(tmp_path):
    done = subprocess.run([INSTAGEO, "trian"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "trian" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_writes_what_it_lists(instageo, warm_command, tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "module_command", lambda module, *arguments: [*warm_command(module), *arguments])
    folder = tmp_path / "demo"
    status, out, err = instageo("demo", "--folder", folder, "--epochs", "1")
    assert status == 0, err
    assert "GDAL" not in err
    for name in RESULTS:
        assert (folder / name).exists()
        assert name in out
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    assert list(metrics["per_class"]) == list(CLASS_NAMES)
    written = folder / "maps" / "scene" / SCENE.name
    assert read_info(written).grid == read_info(SCENE).grid
    assert (read_raster(written).valid[0] == read_raster(SCENE).valid.all(axis=0)).all()
    tables = [
        (folder / "data" / "chips" / f"{name}.csv").read_text().splitlines()[1:] for name in ("train", "valid", "test")
    ]
    origins = [[map(int, line.partition(".tif")[0].split("_")[-2:]) for line in lines] for lines in tables]
    blocks = [{(row // 128, column // 128) for row, column in chips} for chips in origins]
    assert all(len(names) > 0 for names in blocks)
    assert len(set.union(*blocks)) == sum(len(names) for names in blocks)  # no block in two splits
