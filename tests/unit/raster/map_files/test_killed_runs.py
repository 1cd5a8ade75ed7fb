"""Maps of runs that were killed while they wrote or joined pieces."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from instageo.raster.map_files.layout import MapLayout
from tests.unit.raster.map_files.map_runs import run, sha256

PROGRAM = [sys.executable, "-m", "tests.unit.raster.map_files.map_runs"]


def kill_runs(folder, num_panels, events):
    """Return how many runs were killed, the SHA-256 of the map that the last finished, and the entries of its folder."""
    folder.mkdir()
    command = [*PROGRAM, folder, str(num_panels), *map(str, events)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    killed, digest, entries = result.stdout.split()
    return int(killed), digest, int(entries)


@pytest.fixture
def expected(tmp_path):
    """SHA-256 of the map of a run that nobody disturbed."""
    (tmp_path / "whole").mkdir()
    return sha256(run(tmp_path / "whole", MapLayout(100, 90, block=16)))


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, expected):
    events = np.random.default_rng(0).integers(1, 70, 10)
    killed, digest, entries = kill_runs(tmp_path / "killed", 2, events)
    assert killed >= 8
    assert digest == expected
    assert entries == 2  # the map and the folder of its pieces: no temporary file is left


@pytest.mark.slow
@pytest.mark.parametrize("num_panels", [1, 3])
def test_a_run_may_be_killed_before_any_operation_on_files(tmp_path, expected, num_panels):
    killed, last = 0, 0
    for start in range(1, 1000, 20):
        for number in range(start, start + 20):
            killed_now, digest, _ = kill_runs(tmp_path / str(number), num_panels, [number])
            assert digest == expected
            killed, last = killed + killed_now, killed_now
        if not last:
            break
    assert killed > 100


@pytest.mark.slow
def test_a_run_may_be_killed_at_any_time(tmp_path, expected):
    folder, rng, killed = tmp_path / "killed", np.random.default_rng(0), 0
    folder.mkdir()
    while killed < 20:
        process = subprocess.Popen([*PROGRAM, folder, "2"], stdout=subprocess.DEVNULL)
        while not (folder / "map.tif.parts").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (folder / "map.tif").exists():
            assert sha256(folder / "map.tif") == expected
            os.rename(folder / "map.tif", folder / f"finished{killed}.tif")
            for piece in sorted((folder / "map.tif.parts").glob("level0*"))[::2]:
                piece.unlink()
    assert sha256(run(folder, MapLayout(100, 90, num_panels=2, block=16))) == expected
