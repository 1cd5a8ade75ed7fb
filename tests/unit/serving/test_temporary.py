"""Files of a server that has ended, however it ended, are removed; those of a running one are not."""

import signal
import subprocess
import sys
import tempfile

import pytest

from instageo.serving.temporary import LOCK, PREFIX, ServerFolder, remove_leftovers

HOLD = """
import sys, time
from instageo.serving.temporary import ServerFolder
folder = ServerFolder(sys.argv[1])
(folder.path / "result.tif").write_bytes(b"x")
print(folder.path, folder.restarts, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def start(server):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().split()


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_what_a_killed_process_left_is_removed_and_counted(temporary):
    for number in (0, 1, 2):
        process, (_, restarts) = start("one")
        assert int(restarts) == number
        process.send_signal(signal.SIGKILL)
        end(process)
    assert len(list(temporary.iterdir())) == 1
    assert ServerFolder("two").restarts == 0  # another server removes the files, which does not count for it
    assert list(temporary.iterdir()) == []


def test_files_of_a_running_process_stay(temporary):
    process, (path, _) = start("one")
    try:
        folder = ServerFolder("one")
        assert remove_leftovers() is None
        assert {str(each) for each in temporary.iterdir()} == {path, str(folder.path)}
    finally:
        end(process)


def test_a_process_that_ends_by_itself_leaves_nothing(temporary):
    process, _ = start("one")
    process.communicate("")
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


def test_images_and_the_folder_are_removed():
    folder = ServerFolder()
    with folder.image() as path:
        path.write_bytes(b"x")
        assert path.parent.parent == folder.path
    assert not path.parent.exists()
    folder.remove()
    assert not folder.path.exists()


def test_links_and_damaged_records_do_no_harm(temporary):
    other = temporary / "other"
    other.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(other)
    for name, content in (("a", "9" * 5000), ("b", "x"), ("c", None)):
        folder = temporary / f"{PREFIX}one-{name}"
        folder.mkdir()
        (folder / LOCK).touch()
        if content:
            (folder / "restarts").write_text(content)
    assert remove_leftovers() == 999_999_999
    assert other.is_dir()
