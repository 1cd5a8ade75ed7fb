"""`mode=chip_inference` in this process and on Ray: the same files, also after failures and interruptions."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
from affine import Affine

from instageo.model.inference.journal import JOURNAL
from instageo.model.networks.checkpoint import BEST
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.forked_calls import running_command
from tests.integration.conftest import QUICK, write_chips
from tests.integration.ray_messages import printed
from tests.integration.test_bad_input import one_sentence

ray = pytest.importorskip("ray", reason="the extra `serve` is not installed")

from instageo.model.inference import ray_cluster, ray_engine  # noqa: E402  # needs Ray
from tests.integration import killed_chip_workers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

START_S = 600
"""Seconds within which a run on a busy machine has written its first predictions."""

SIZES = ((32, 32), (45, 60), (16, 70), (97, 33))


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, for all tests that can share it."""
    with ray_cluster.ray_cluster(None):
        yield


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Ray relies on the shared group")
@pytest.mark.usefixtures("cluster")
def test_signals_to_the_group_of_this_process_spare_ray():
    groups = {child.name(): os.getpgid(child.pid) for child in psutil.Process().children(recursive=True)}
    assert {"raylet", "gcs_server"} <= set(groups)
    assert os.getpgrp() not in (groups["raylet"], groups["gcs_server"])


def train(base, name, *extra, **chips):
    data = write_chips(base / f"{name}_data", **chips)
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    assert main([*tables, *QUICK, *extra, f"hydra.run.dir={base / name}"]) == 0
    return base / name


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Runs of classes, 140 classes, regression in log scale, three dates, and image-level classes."""
    base = tmp_path_factory.mktemp("models")
    data = write_chips(base / "chips_data")
    records = [{"Input": f"chips/chip_{number}.tif", "Label": number % 3} for number in range(6)]
    write_table(data / "chips.csv", records)
    tables = [f"root_dir={data}", "train_filepath=chips.csv", "valid_filepath=chips.csv"]
    quick = [part for part in QUICK if not part.startswith("model.head")]
    names = ["dataloader.label_kind=chip", "model.num_classes=3", "model.class_names=[Dry,Wet,Ice]"]
    assert main([*tables, *quick, *names, f"hydra.run.dir={base / 'chips'}"]) == 0
    many = train(base, "many", "model.num_classes=140")
    content = torch.load(many / f"{BEST}.ckpt", weights_only=True)
    [last] = [value for value in content["state_dict"].values() if value.shape == (140,)]
    last[139] += 1000  # the class that is predicted everywhere
    torch.save(content, many / f"{BEST}.ckpt")
    return {
        "classes": train(base, "classes"),
        "many": many,
        "values": train(base, "values", "is_reg_task=true", "model.use_log_scale=true"),
        "dates": train(base, "dates", "dataloader.temporal_dim=3", num_dates=3),
        "chips": base / "chips",
    }


def new_chips(folder, *, count=8, steps=1, sizes=SIZES):
    """Chips without labels, of several sizes, half of them with the names of the others, partly without data."""
    rng, rows = np.random.default_rng(3), []
    for number in range(count):
        height, width = sizes[number % len(sizes)]
        values = rng.integers(300, 4000, (6 * steps, height, width)).astype(np.int16)
        values[:, : number % 5, :7] = -9999
        grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 960 * number, 0, -30, 4_000_000), height, width)
        name = f"{'ab'[2 * number // count]}/chip_{number % (count // 2)}.tif"
        write_raster(folder / name, values, grid)
        rows.append({"Input": name, "Label": ""})
    write_table(folder / "new.csv", rows)
    return folder


def predict(engine, model, data, output, *extra):
    arguments = ["mode=chip_inference", f"root_dir={data}", "test_filepath=new.csv", f"checkpoint_path={model}"]
    where = [f"output_dir={output}", f"hydra.run.dir={output}_run", f"engine={engine}", "accelerator=cpu"]
    return main([*arguments, *where, *extra])


def contents(folder):
    """Files by their path; lines of the journal in any order."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files | {JOURNAL: sorted(files[JOURNAL].splitlines())}


# pitfall 1: twice the same; 2: on the chip's pixels; 3: natural units; 4: 140 classes; 5: equal names in two folders;
# 6: no data stays no data; 7: empty labels; 8: probabilities of all classes
@pytest.mark.parametrize("kind", ["classes", "many", "values", "dates", "chips"])
def test_both_engines_give_the_same_files(cluster, models, tmp_path, kind):
    data = new_chips(tmp_path / "data", steps=3 if kind == "dates" else 1)
    for name, engine in (("first", "local"), ("second", "local"), ("third", "ray")):
        assert predict(engine, models[kind], data, tmp_path / name) == 0
    files = contents(tmp_path / "third")
    assert files == contents(tmp_path / "first") == contents(tmp_path / "second")
    if kind == "chips":
        header, *lines = files["predictions.csv"].decode().splitlines()
        assert header == "Input,prediction,p_Dry,p_Wet,p_Ice"
        assert len(lines) == 8
        assert sum(map(float, lines[0].split(",")[2:])) == pytest.approx(1, abs=1e-5)
        return
    assert sum(name.endswith(".tif") for name in files) == 8
    for path in data.rglob("*.tif"):
        output = tmp_path / "third" / path.relative_to(data).parent / path.name.replace("chip", "prediction")
        chip, made = read_raster(path), read_raster(output)
        assert made.grid == chip.grid
        valid = (chip.values != -9999).all(0)
        np.testing.assert_array_equal(made.valid.all(0), valid)
        if kind == "many":
            assert made.values.dtype == np.uint8
            assert (made.values[0][valid] == 139).all()
        if kind == "values":
            assert -1 < made.values[0][valid].min() < made.values[0][valid].max() < 50  # labels are 0 and 1


def test_more_workers_and_blocks(cluster, models, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "MAX_BLOCK_CHIPS", 2)
    data = new_chips(tmp_path / "data", count=20)
    assert predict("local", models["classes"], data, tmp_path / "local") == 0
    assert predict("ray", models["classes"], data, tmp_path / "ray", "ray.num_workers=2") == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_finished_predictions_are_checked_and_kept(cluster, models, tmp_path, capfd, engine):
    data, output = new_chips(tmp_path / "data"), tmp_path / "out"
    assert predict(engine, models["classes"], data, output) == 0
    before = contents(output)
    (output / "a" / "prediction_0.tif").unlink()
    with (output / "a" / "prediction_1.tif").open("ab") as file:
        file.write(b"more")
    (output / "a" / "prediction_2.tif").write_bytes((output / "b" / "prediction_2.tif").read_bytes())
    chip = data / "b" / "chip_0.tif"
    os.utime(chip, ns=(0, chip.stat().st_mtime_ns + 1))  # written again
    with (output / JOURNAL).open("a") as file:
        file.write('{"chip": "cut o')
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*.tif")}
    capfd.readouterr()
    assert predict(engine, models["classes"], data, output) == 0
    assert "4 of 8 predictions were made before and kept" in capfd.readouterr().err
    after = contents(output)
    assert {name: after[name] for name in before if name != JOURNAL} == {
        name: content for name, content in before.items() if name != JOURNAL
    }
    changed = {path.relative_to(output).as_posix() for path in times if path.stat().st_mtime_ns != times[path]}
    assert changed == {"a/prediction_1.tif", "a/prediction_2.tif", "b/prediction_0.tif"}
    assert predict(engine, models["classes"], data, output) == 0
    assert "8 of 8 predictions were made before and kept" in capfd.readouterr().err
    assert predict("local", models["classes"], data, output, "test.stride=8") == 0
    assert "were made before" not in capfd.readouterr().err
    assert predict("local", models["many"], data, output) == 0
    assert "were made before" not in capfd.readouterr().err


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_failures_do_not_stop_others(cluster, models, tmp_path, capfd, engine):  # pitfall 39
    data, output = new_chips(tmp_path / "data"), tmp_path / "out"
    path = data / "a" / "chip_1.tif"
    content = bytearray(path.read_bytes())
    content[500:9000] = b"\xff" * 8500  # the pixels, no deflate stream any more; the directory stays whole
    path.write_bytes(content)
    (output / "b").mkdir(parents=True)
    (output / "b" / "prediction_3.tif").mkdir()  # cannot be written
    status = predict(engine, models["classes"], data, output)
    sentence = one_sentence((status, *printed(capfd)))
    assert "2 of 8 chips could not be predicted: a/chip_1.tif: " in sentence
    assert f"see the list in {output}_run/failed_rows_test.csv. The others are in {output}" in sentence
    listed = (tmp_path / "out_run" / "failed_rows_test.csv").read_text()
    assert listed.startswith("Input,reason\na/chip_1.tif,")
    assert "b/chip_3.tif" in listed
    assert len([path for path in output.rglob("*.tif") if path.is_file()]) == 6
    (output / "b" / "prediction_3.tif").rmdir()
    assert predict(engine, models["classes"], data, output, "dataloader.on_bad_row=skip") == 0
    err = capfd.readouterr().err
    assert "6 of 8 predictions were made before" in err
    assert "1 of 8 chips could not be predicted" in err


def test_many_chips_and_a_killed_process(cluster, models, tmp_path, monkeypatch, capfd):
    data = new_chips(tmp_path / "data", count=80, sizes=((40, 40),))
    assert predict("local", models["classes"], data, tmp_path / "local") == 0
    monkeypatch.setattr(ray_engine, "RayWorker", killed_chip_workers.KilledOnce)
    assert predict("ray", models["classes"], data, tmp_path / "ray") == 0
    assert (tmp_path / "killed").exists()
    out, err = printed(capfd)
    assert "a process or a machine was lost; its work is repeated" in err
    assert "raylet" not in out + err
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert json.loads((tmp_path / "ray_run" / "run.json").read_text())["work"]["chips"] == 80


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_run_is_resumed(models, warm_command, tmp_path, engine):
    data, output = new_chips(tmp_path / "data", count=240, sizes=((40, 40),)), tmp_path / "out"
    arguments = [
        "mode=chip_inference", f"root_dir={data}", "test_filepath=new.csv",
        f"checkpoint_path={models['classes']}", f"output_dir={output}", f"hydra.run.dir={tmp_path / 'run'}",
        f"engine={engine}", "accelerator=cpu",
    ]  # fmt: skip
    log, journal, end = tmp_path / "log.txt", output / JOURNAL, time.monotonic() + START_S
    with running_command(log, "run", *arguments) as process:
        while not (journal.is_file() and journal.read_bytes().count(b"\n") >= 20):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL, log.read_text()
    command = [*warm_command("instageo.model.run"), *arguments]
    again = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    assert ".cc:" not in again.stderr  # nothing of Ray's core
    resumed = int(again.stderr.split(" of 240 predictions were made before")[0].rsplit(" ", 1)[1])
    assert 20 <= resumed < 240
    assert predict("local", models["classes"], data, tmp_path / "whole") == 0
    files, whole = contents(output), contents(tmp_path / "whole")
    assert len(files) == 481  # 240 maps, their legends and the journal, and no half-written file
    assert files == files | {name: content for name, content in whole.items() if name != JOURNAL}


def test_a_chip_that_kills_its_process_does_not_stop_others(cluster, models, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(ray_engine, "RayWorker", killed_chip_workers.KillingWorker)
    data, output = new_chips(tmp_path / "data", count=40), tmp_path / "out"
    status = predict("ray", models["classes"], data, output, "ray.max_retries=1")
    sentence = one_sentence((status, *printed(capfd)))
    assert "1 of 40 chips could not be predicted: a/chip_7.tif: its process was killed in each attempt" in sentence
    assert len(list(output.rglob("*.tif"))) == 39


def test_a_network_that_cannot_be_loaded_ends_the_run(cluster, models, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(ray_engine, "RayWorker", killed_chip_workers.NeverLoaded)
    status = predict("ray", models["classes"], new_chips(tmp_path / "data"), tmp_path / "out", "ray.max_retries=1")
    sentence = one_sentence((status, *printed(capfd)))
    assert "2 processes were killed while loading it, perhaps for lack of memory" in sentence


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["ray.address=ray://127.0.0.1:1"], "expected auto or HOST:6379, on one of the cluster's machines"),
        (["ray.num_workers=0"], "ray.num_workers=0 does not work; expected null, or at least 1 process"),
        (["ray.max_retries=-1"], "ray.max_retries=-1 does not work; expected 0 or more"),
        (["engine=dask"], "engine.kind: Invalid value 'dask', expected one of [local, ray]"),
    ],
)
def test_invalid_settings_are_reported(models, tmp_path, capfd, overrides, words):
    data = new_chips(tmp_path / "data")
    status = predict("ray", models["classes"], data, tmp_path / "out", *overrides)
    assert words in one_sentence((status, *printed(capfd)))
    assert not list((tmp_path / "out").rglob("*.tif"))


def test_more_workers_than_cores_are_refused(cluster, models, tmp_path, capfd):
    data = new_chips(tmp_path / "data")
    status = predict("ray", models["classes"], data, tmp_path / "out", "ray.num_workers=9999")
    assert "ray.num_workers=9999: the cluster has " in one_sentence((status, *printed(capfd)))
