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


def run_program(folder, layout, *events):
    """Return how many runs were killed, and the SHA-256 of the maps that were finished afterwards."""
    folder.mkdir()
    command = [*PROGRAM, folder, layout.height, layout.width, layout.num_panels, *events]
    result = subprocess.run([str(argument) for argument in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    killed, *hashes = result.stdout.split()
    return int(killed), hashes


def undisturbed(folder, layout):
    """Return the SHA-256 of the map of a run that nobody disturbed."""
    folder.mkdir()
    return sha256(run(folder, layout))


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path):
    layout = MapLayout(50, 60, num_panels=2, block=16)
    killed, hashes = run_program(tmp_path / "killed", layout, 7, 30, 28, 3, 55, 41)
    assert killed >= 5
    assert hashes == [undisturbed(tmp_path / "whole", layout)]
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["map.tif", "map.tif.parts"]


@pytest.mark.slow
@pytest.mark.parametrize("num_panels", [1, 3])
def test_a_run_may_be_killed_before_any_operation_on_files(tmp_path, num_panels):
    layout = MapLayout(50, 40, num_panels=num_panels, block=16)
    killed, hashes = run_program(tmp_path / "killed", layout)
    assert killed > 50
    assert hashes == [undisturbed(tmp_path / "whole", layout)]


@pytest.mark.slow
def test_a_run_may_be_killed_at_any_time(tmp_path):
    layout = MapLayout(200, 200, num_panels=2, block=16)
    expected = undisturbed(tmp_path / "whole", layout)
    folder, rng, killed = tmp_path / "killed", np.random.default_rng(0), 0
    folder.mkdir()
    while killed < 20:
        process = subprocess.Popen(
            [*PROGRAM, folder, "200", "200", "2", "0"], stdout=subprocess.DEVNULL, start_new_session=True
        )
        while not (folder / "map.tif.parts").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.5))
        os.killpg(process.pid, signal.SIGKILL)  # the process and the one that it has made
        killed += process.wait() == -signal.SIGKILL
        if (folder / "map.tif").exists():
            assert sha256(folder / "map.tif") == expected
            (folder / "map.tif").unlink()
            for piece in sorted((folder / "map.tif.parts").glob("level0*"))[::2]:
                piece.unlink()
    assert sha256(run(folder, layout)) == expected
