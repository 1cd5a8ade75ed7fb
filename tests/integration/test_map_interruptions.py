"""`instageo map` that is killed, stopped, or out of disk: no half of a map, and the same bytes in the end."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from unittest.mock import Mock

import psutil
import pytest
import torch

from instageo.errors import DataError
from instageo.model.map_jobs import map_scenes
from instageo.model.mapping.ensemble import Ensemble
from instageo.raster.scenes import reading_parts
from instageo.raster.scenes.reading_parts import StoppableRaster
from instageo.raster.scenes.strips import _Worker
from instageo.runtime.termination import TERMINATED
from tests.disks import file_size_limit, mounted_disk
from tests.forked_calls import running_command
from tests.integration.maps import scene_values, write_raster

OPTIONS = ["--overlap", "4", "--probabilities", "--vector", ".geojson"]


@pytest.fixture
def scene(tmp_path):
    """A scene of three rows of blocks."""
    return write_raster(tmp_path / "scene.tif", scene_values(1200, 34), tiled=True, blockxsize=64, blockysize=64)


@pytest.fixture
def whole(instageo, small_network, scene, tmp_path):
    """Digests of the files of a map that was not interrupted."""
    output = tmp_path / "whole" / "map.tif"
    status, _, err = instageo("map", small_network, scene, "-o", output, *OPTIONS)
    assert status == 0, err
    assert not output.with_name("map.tif.parts").exists()
    return digests(output)


def digests(output):
    """Return the digest of each file of a map; the picture and the table of areas do not name the folder."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in output.parent.iterdir() if path.is_file()}


def wait_for(holds, process, log):
    end = time.monotonic() + 120
    while not holds() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert holds(), log.read_text()


PROBABILITIES = "map_probabilities.tif"


@pytest.mark.parametrize("kills", [3, 20])
def test_killed_runs_end_with_the_same_bytes(instageo, small_network, scene, tmp_path, whole, kills):
    output, log, draw = tmp_path / "killed" / "map.tif", tmp_path / "log.txt", random.Random(kills)
    parts, interrupted = output.with_name("map.tif.parts"), 0
    arguments = [small_network, scene, "-o", output, *OPTIONS]
    for kill in range(kills):
        with running_command(log, "map", *arguments, "--overwrite") as process:
            if kill % 2 == 0:  # at least as far as the first piece
                wait_for(
                    lambda: any(parts.rglob("*.tif")) or any(parts.rglob("*.piece")) or output.exists(), process, log
                )
            with suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0, 1.0) if kill else 0)  # the first one surely interrupts it
            interrupted += process.poll() is None
        if interrupted and not output.exists():
            left = {name: each for name, each in digests(output).items() if not name.startswith("map.tif.parts")}
            assert left in ({}, {PROBABILITIES: whole[PROBABILITIES]})  # whole; the map itself is the last
    assert interrupted
    status, _, err = instageo("map", *arguments)
    assert status == 0, err
    assert digests(output) == whole
    assert not parts.exists()
    assert [path for path in output.parent.iterdir() if path.is_dir()] == []  # of the polygons


def test_sigterm_ends_a_run_in_order(instageo, small_network, scene, tmp_path, whole):
    output, log = tmp_path / "stopped" / "map.tif", tmp_path / "log.txt"
    parts = output.with_name("map.tif.parts")
    with running_command(log, "map", small_network, scene, "-o", output, *OPTIONS) as process:
        wait_for(lambda: (parts / "run.json").exists(), process, log)
        process.terminate()
        process.wait(60)
        assert process.returncode == TERMINATED
    assert log.read_text().splitlines()[-1] == "stopped; run the same command again to continue"
    assert not output.exists()
    assert instageo("map", small_network, scene, "-o", output, *OPTIONS)[0] == 0
    assert digests(output) == whole


class Signalled:
    """Calls a method as it is; the given call sends SIGTERM to this process, and those that begin later are counted.

    That call and the later ones wait until the main thread has answered the signal, however busy the machine is.
    """

    def __init__(self, monkeypatch, owner, name, call, stopper, stop, **without_waiting):
        self.method, self.call, self.begun, self.begun_later = getattr(owner, name), call, 0, 0
        self.stop, self.without_waiting = getattr(stopper, stop), without_waiting
        self.lock, self.is_answered = threading.Lock(), threading.Event()
        monkeypatch.setattr(owner, name, lambda *arguments, **options: self._call(*arguments, **options))
        monkeypatch.setattr(stopper, stop, lambda *arguments, **options: self._stop(*arguments, **options))

    def _call(self, *arguments, **options):
        with self.lock:
            self.begun += 1
            number = self.begun
            self.begun_later += number > self.call
        if number == self.call:
            os.kill(os.getpid(), signal.SIGTERM)
        if number >= self.call:
            assert self.is_answered.wait(60)
        return self.method(*arguments, **options)

    def _stop(self, *arguments, **options):
        if self.begun >= self.call:
            self.stop(*arguments, **options | self.without_waiting)
            self.is_answered.set()
        self.stop(*arguments, **options)


STOPPED_IN = {
    "batch": (Ensemble, "predict", 100, ThreadPoolExecutor, "shutdown"),
    "strip": (StoppableRaster, "_read_part", 36 * 8 + 5, _Worker, "stop"),
}


@pytest.mark.parametrize("stopped_in", STOPPED_IN)
def test_a_run_ends_within_a_row_of_tiles_and_a_strip(instageo, small_network, tmp_path, monkeypatch, stopped_in):
    """A row of tiles has 72 tiles, and at least 9 batches; there are 17 rows. A strip has 36 parts."""
    scene = write_raster(tmp_path / "wide.tif", scene_values(560, 2300), tiled=True, blockxsize=64, blockysize=64)
    monkeypatch.setattr(reading_parts, "PART_BYTES", 1)
    arguments = ["map", small_network, scene, "-o", tmp_path / "map" / "map.tif", "--overlap", "0"]
    with monkeypatch.context() as patch:
        without_waiting = {"wait": False} if stopped_in == "batch" else {}
        calls = Signalled(patch, *STOPPED_IN[stopped_in], **without_waiting)
        status, _, err = instageo(*arguments)
    assert (status, err.splitlines()[-1]) == (TERMINATED, "stopped; run the same command again to continue")
    assert calls.begun >= calls.call
    assert calls.begun_later <= (torch.get_num_threads() - 1 if stopped_in == "batch" else 0)
    assert instageo(*arguments)[0] == 0
    assert instageo(*arguments[:4], tmp_path / "whole" / "map.tif", *arguments[5:])[0] == 0
    assert digests(tmp_path / "map" / "map.tif") == digests(tmp_path / "whole" / "map.tif")


def test_ctrl_c_ends_a_run_on_ray(instageo, small_network, tmp_path):
    """Its workers stop in their batches; no process stays, and one process makes the rest."""
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    scene = write_raster(tmp_path / "scene.tif", scene_values(3000, 300), tiled=True, blockxsize=64, blockysize=64)
    parts, log = tmp_path / "map.tif.parts", tmp_path / "log.txt"
    arguments = [small_network, scene, "-o", tmp_path / "map.tif", "--device", "cpu"]
    with running_command(log, "map", *arguments, "--engine", "ray", "--num-workers", "1") as process:
        end = time.monotonic() + 240
        while not any(parts.glob("map/**/*.*")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        process.wait(120)
        status = process.returncode
    made = {path: path.stat().st_mtime_ns for path in parts.rglob("*") if path.is_file()}
    assert (status, log.read_text().splitlines()[-1]) == (130, "stopped; run the same command again to continue")
    assert "Traceback" not in log.read_text()
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert made == {path: path.stat().st_mtime_ns for path in parts.rglob("*") if path.is_file()}
    rest, whole = (
        instageo("map", *arguments[:3], tmp_path / name, *arguments[4:])[2] for name in ("map.tif", "whole.tif")
    )
    rest_tiles, tiles = (int(re.search(r"tif: (\d+) tiles", log)[1]) for log in (rest, whole))
    assert rest_tiles < tiles
    assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_two_runs_of_one_map(instageo, small_network, tmp_path):
    scene = write_raster(tmp_path / "scene.tif", scene_values(1200, 600))
    output, log = tmp_path / "map.tif", tmp_path / "log.txt"
    arguments = [small_network, scene, "-o", output]
    with running_command(log, "map", *arguments) as process:
        wait_for(lambda: (tmp_path / "map.tif.parts" / "run.json").exists(), process, log)
        status, out, err = instageo("map", *arguments)
        assert process.poll() is None, log.read_text()
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"error: {output}: is being made by another run (")
    assert err.splitlines()[-1].endswith("); wait for its end")


def test_what_changed_is_told_and_a_finished_map_is_kept(instageo, small_network, scene, tmp_path, whole):
    output, log = tmp_path / "changed" / "map.tif", tmp_path / "log.txt"
    parts = output.with_name("map.tif.parts")
    with running_command(log, "map", small_network, scene, "-o", output, "--overlap", "8") as process:
        wait_for(lambda: (parts / "run.json").exists(), process, log)
    status, _, err = instageo("map", small_network, scene, "-o", output, *OPTIONS)
    assert status == 0
    assert "what was made of map.tif before is made again: tiles and layers changed" in err
    assert digests(output) == whole
    output.with_name("map_areas.json").unlink()
    status, out, err = instageo("map", small_network, scene, "-o", output, *OPTIONS, "--json")
    assert status == 0
    assert f"{output}: kept, since it is of the same scene, model and settings" in err
    assert json.loads(out)[0]["kept"]
    assert digests(output) == whole


def test_what_an_interrupted_run_has_not_made_from_its_map_is_made(
    instageo, small_network, scene, tmp_path, whole, monkeypatch
):
    output = tmp_path / "late" / "map.tif"
    arguments = ["map", small_network, scene, "-o", output]
    assert instageo(*arguments, *OPTIONS[2:], "--overlap", "0")[0] == 0  # with areas and polygons of its own
    with monkeypatch.context() as patch:
        patch.setattr(map_scenes, "write_products", Mock(side_effect=DataError("killed once the map is there")))
        assert instageo(*arguments, *OPTIONS)[0] == 1
    assert digests(output)["map.tif"] == whole["map.tif"]
    assert digests(output)["map_areas.json"] != whole["map_areas.json"]
    status, _, err = instageo(*arguments, *OPTIONS)
    assert (status, "kept" in err) == (0, False)
    assert digests(output) == whole
    assert not output.with_name("map.tif.parts").exists()


def test_files_that_are_missing_or_of_other_choices_are_made_again(instageo, small_network, scene, tmp_path, whole):
    output = tmp_path / "again" / "map.tif"
    arguments = ["map", small_network, scene, "-o", output, *OPTIONS]
    assert instageo(*arguments, "--min-pixels", "9", "--device", "cpu")[0] == 0
    assert digests(output)["map.geojson"] != whole["map.geojson"]
    status, _, err = instageo(*arguments)
    assert (status, "kept" in err) == (0, True)
    assert digests(output) == whole
    for name in ("map_probabilities.tif", "map_areas.csv", "map.qml"):
        output.with_name(name).unlink()
        assert instageo(*arguments)[0] == 0
        assert digests(output) == whole


def test_a_limit_of_the_size_of_files(instageo, small_network, scene, tmp_path, whole):
    output = tmp_path / "limited" / "map.tif"
    arguments = ["map", small_network, scene, "-o", output, *OPTIONS]
    with file_size_limit(12_000):
        status, out, err = instageo(*arguments)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"error: {output}")
    assert "cannot be written: File too large" in err.splitlines()[-1]
    assert [path.name for path in output.parent.iterdir()] == ["map.tif.parts"]
    assert instageo(*arguments)[0] == 0
    assert digests(output) == whole


@pytest.mark.parametrize("size", ["16k", "100k"])
def test_a_full_disk(instageo, small_network, scene, tmp_path, whole, size):
    disk = tmp_path / "disk"
    arguments = ["map", small_network, scene, "-o", disk / "map.tif", *OPTIONS]
    with mounted_disk(disk, size):
        status, out, err = instageo(*arguments)
        assert (status, out) == (1, "")
        assert err.splitlines()[-1].startswith(f"error: {disk}/map")
        assert f"No space left on device (disk {disk}, " in err.splitlines()[-1]
        assert "Traceback" not in err
        assert [path.name for path in disk.iterdir()] == ["map.tif.parts"]
        subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
        status, _, err = instageo(*arguments)
        assert status == 0, err
        assert digests(disk / "map.tif") == whole


def test_a_read_only_folder(instageo, small_network, scene, tmp_path):
    with mounted_disk(tmp_path / "disk", "1m") as make_read_only:
        make_read_only()
        status, _, err = instageo("map", small_network, scene, "-o", tmp_path / "disk" / "map.tif")
    assert status == 1
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}/disk/map.tif.parts")
    assert "Read-only file system" in err.splitlines()[-1]
