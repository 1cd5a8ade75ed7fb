"""Temporary folders of running, ended and killed processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instageo.stores.temporary_folder import temporary_folder

HOLD = """
import sys
from pathlib import Path
from instageo.stores.temporary_folder import temporary_folder

with temporary_folder(Path(sys.argv[1]), ".map.gpkg.") as folder:
    (folder / "rows.tif").write_text("rows")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a temporary folder."""
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, holder):
    process, held = holder
    for name in (".map.gpkg.original", ".other.gpkg.abcdefgh"):  # somebody's own, without a lock, and of another file
        (tmp_path / name).mkdir()
    (tmp_path / ".other.gpkg.abcdefgh" / ".lock").touch()
    with temporary_folder(tmp_path, ".map.gpkg.") as folder:
        assert (Path(held) / "rows.tif").exists()  # in use
        assert folder.parent == tmp_path
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (Path(held) / "rows.tif").exists()
    with temporary_folder(tmp_path, ".map.gpkg.") as folder:
        assert not Path(held).exists()
    assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".map.gpkg.original", ".other.gpkg.abcdefgh"]


def fail_in(folder):
    with temporary_folder(folder, ".a[b]*.") as temporary:
        (temporary / "file").touch()
        raise ZeroDivisionError


def test_it_goes_after_errors(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fail_in(tmp_path)
    assert list(tmp_path.iterdir()) == []
