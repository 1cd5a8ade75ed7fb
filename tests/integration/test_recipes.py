"""Recipes on tiny data in the layouts of their public places, served on loopback: killed half-way, and resumed."""

import json
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from instageo.cli import app
from instageo.errors import TableError
from instageo.recipes.definition.shipped import NAMES, open_recipe
from instageo.recipes.preparation.prepare import prepare_recipe
from instageo.recipes.training import run_recipe
from tests import data_server
from tests.forked_calls import running_command
from tests.recipe_data import OLD_ITEMS, write_catalog_of_tiles, write_inputs, write_places

DOWNLOADED = [name for name in NAMES if "published" in open_recipe(name).origins]

QUICK = (
    "model.model_name=prithvi_eo_tiny", "model.load_pretrained_weights=false", "model.depth=1", "model.embed_dim=32",
    "train.num_epochs=1", "train.batch_size=2", "dataloader.img_size=32", "accelerator=cpu", "logger=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def _port(tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    write_places(root)
    with data_server.running(root, delay_s=0.02) as port:
        yield port


@pytest.fixture
def places(_port, monkeypatch):
    """Port of a server of all public places."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{_port}")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{_port}")
    return _port


def call(arguments):
    """Run a command of the program in this process."""
    return get_command(app).main(list(arguments), prog_name="instageo", standalone_mode=False) or 0


def ranges(requests):
    """Method, path, size and first byte of requests for a part of a file."""
    return [(method, path, size, first) for method, path, size, first in requests if first is not None]


def kill_when(is_reached, log, *arguments):
    """Run `instageo recipe` with these arguments, and kill it as soon as a condition holds, before it ends."""
    with running_command(log, "recipe", *arguments) as process:
        while not is_reached():
            assert process.poll() is None, f"it ended before it was killed: {log.read_text()}"
            time.sleep(0.005)


def recorded(folder):
    """Paths of the files that a killed preparation has finished."""
    journal = folder / "downloads.jsonl"
    if not journal.is_file():
        return set()
    return {json.loads(line)["path"] for line in journal.read_text().split("\n")[:-1] if line}


def downloads(port, since):
    """Number of times that each file was sent after the first `since` requests."""
    sent = [path for method, path, size, _ in data_server.requests(port)[since:] if method == "GET" and size]
    return Counter(path.rpartition("/")[2] for path in sent if "?" not in path)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_killed_preparation_goes_on_and_the_tables_train(name, places, tmp_path, capfd):
    recipe, before = open_recipe(name), len(data_server.requests(places))
    arguments = ("prepare", name, "--folder", tmp_path / "data")
    kill_when(lambda: recorded(tmp_path / "data"), tmp_path / "log.txt", *arguments)
    done = recorded(tmp_path / "data")
    between = len(data_server.requests(places))
    prepare_recipe(recipe, tmp_path / "data", call)
    again = downloads(places, between)
    assert all(Path(path).name not in again for path in done), (done, again)
    out, _ = capfd.readouterr()
    assert f"{name} is prepared in {tmp_path / 'data'}: train 3, val 1, test 1 chips" in out
    between = len(data_server.requests(places))
    prepare_recipe(recipe, tmp_path / "data", call)
    assert len(data_server.requests(places)) == between > before
    assert "is prepared already" in capfd.readouterr().out
    assert run_recipe(recipe, tmp_path / "data", seeds=[1], overrides=QUICK) == 0
    runs = tmp_path / "data" / "runs" / "recipe"
    report = json.loads((runs / "recipe_report.json").read_text())
    scores = json.loads((runs / "seed_1" / "test" / "metrics.json").read_text())
    for row in report["scores"]:
        assert row["published"] == (recipe.published.scores[row["score"]] if recipe.published else None)
        assert row["mean"] == pytest.approx(100 * scores[row["score"]])
        if row["published"]:
            assert row["difference"] == pytest.approx(row["mean"] - row["published"])
    assert report["cost"]["parameters"] > 0
    assert report["cost"]["wall_seconds"] > 0


def test_a_killed_run_goes_on_and_a_student_is_distilled(places, tmp_path, capfd):
    recipe, folder = open_recipe("locust"), tmp_path / "data"
    prepare_recipe(recipe, folder, call)
    arguments = ("run", "locust", "--folder", folder, "--seeds", "1,2", *QUICK)
    second = folder / "runs" / "recipe" / "seed_2"
    kill_when((second / "recipe_run.json").is_file, tmp_path / "log.txt", *arguments)
    first = folder / "runs" / "recipe" / "seed_1" / "instageo_best_checkpoint.ckpt"
    stamp = first.stat().st_mtime_ns
    assert run_recipe(recipe, folder, seeds=[1, 2], size="student", overrides=QUICK) == 0
    assert first.stat().st_mtime_ns == stamp
    capfd.readouterr()
    report = json.loads((folder / "runs" / "student" / "recipe_report.json").read_text())
    assert report["size"] == "student"
    assert all(row["teacher"] is not None and row["n"] == 2 for row in report["scores"])
    run = json.loads((folder / "runs" / "student" / "seed_2" / "run.json").read_text())
    assert run["configuration"]["train"]["teacher_ckpt_path"] == str(second)
    assert run["configuration"]["model"]["size"] == "student"


def test_a_large_file_goes_on_after_its_last_byte(store, tmp_path):
    folder, _ = store
    size = 24 << 20  # 12 requests
    (folder / "large.bin").write_bytes(np.random.default_rng(0).bytes(size))
    own = tmp_path / "own.yaml"
    with data_server.running(folder, delay_s=0.2) as port:
        place = {"url": f"http://127.0.0.1:{port}", "files": ["large.bin"]}
        chips = {"published": {"places": [place], "steps": [{"table": {"layout": "published"}}]}}
        recipe = {"name": "own", "title": "Own", "task": "segmentation", "licence": "CC0", "chips": chips}
        own.write_text(json.dumps(recipe))  # JSON is YAML
        arguments, part = ("prepare", own, "--folder", tmp_path / "data"), tmp_path / "data" / "large.bin.part"
        kill_when(lambda: part.is_file() and part.stat().st_size > 0, tmp_path / "log.txt", *arguments)
        kept, before = part.stat().st_size, len(data_server.requests(port))
        assert 0 < kept < size
        with pytest.raises(TableError, match="has no table"):  # after the download
            prepare_recipe(open_recipe(str(own)), tmp_path / "data", call)
        assert (tmp_path / "data" / "large.bin").read_bytes() == (folder / "large.bin").read_bytes()
        starts = [start for method, _, _, start in ranges(data_server.requests(port)[before:]) if method == "GET"]
        assert min(starts) >= kept


HAS_SPLIT = "split" in {command.name for command in app.registered_commands}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """List of the images of a tile on seven days."""
    return write_catalog_of_tiles(tmp_path_factory.mktemp("catalog"))


@pytest.mark.skipif(not HAS_SPLIT, reason="there is no command instageo split")
@pytest.mark.parametrize("name", ["sen1floods11-hls", "locust", "us-cdl-2022", "aod", "biomass"])
def test_chips_are_rebuilt_from_a_catalogue_after_a_kill(name, places, catalog, tmp_path, capfd):
    folder = tmp_path / "data"
    write_inputs(name, folder)
    source = f"http://127.0.0.1:{places}/nass"  # the place of the Cropland Data Layer is no bucket
    text = open_recipe(name).path.read_text(encoding="utf-8")
    text = re.sub(r"https://www\.nass\.usda\.gov\S*", source, text)
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    shutil.copy(open_recipe("us-cdl-2022").path.parent / "cdl_classes.csv", tmp_path)
    if name == "sen1floods11-hls":  # before the first images of the other catalogue
        catalog = catalog.with_name(OLD_ITEMS)
    arguments = ("prepare", own, "--folder", folder, "--chips", "rebuilt", "--catalog", catalog)
    kill_when((folder / "chips" / "settings.json").is_file, tmp_path / "log.txt", *arguments)
    prepare_recipe(open_recipe(str(own)), folder, call, origin="rebuilt", catalog=str(catalog))
    size = 128 if name == "sen1floods11-hls" else 224
    assert run_recipe(open_recipe(str(own)), folder, seeds=[1], overrides=(*QUICK, f"dataloader.img_size={size}")) == 0
    report = json.loads((folder / "runs" / "recipe" / "recipe_report.json").read_text())
    assert report["chips"] == "rebuilt"
    assert any("rebuilt from satellite images" in sentence for sentence in report["not_the_same"])
    assert all(row["n"] == 1 for row in report["scores"])
