"""Locks between processes."""

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from instageo.stores.lock import LOCK, OWNER, LockedError, file_lock, hold_folder, hold_output


def test_an_output_folder_without_a_file_is_as_it_was(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("there", "new/inner"):
        with hold_output(tmp_path / name):
            assert (tmp_path / name / LOCK).exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with hold_output(tmp_path / "new"):
        (tmp_path / "new" / "map.tif").touch()
    with hold_output(tmp_path / "new"), pytest.raises(LockedError), hold_output(tmp_path / "new"):
        pass
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [LOCK, "map.tif"]


def test_a_second_holder_waits_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    order, waiting = [], threading.Event()

    def wait_for_lock():
        with file_lock(tmp_path):
            order.append("second")

    class Handler(logging.Handler):
        def emit(self, _):
            waiting.set()

    handler = Handler()
    logging.getLogger("instageo.stores.lock").addHandler(handler)
    try:
        with file_lock(tmp_path):
            thread = threading.Thread(target=wait_for_lock)
            thread.start()
            assert waiting.wait(60)
            order.append("first")
        thread.join()
    finally:
        logging.getLogger("instageo.stores.lock").removeHandler(handler)
    assert order == ["first", "second"]
    assert f"another process is using {tmp_path}; waiting" in caplog.text


HOLD = """
import sys, time
from pathlib import Path
from instageo.stores.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_held_by_one_process_until_it_ends_or_dies(tmp_path):  # pitfall 83
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        told = rf"^process {other.pid} on "
        with pytest.raises(LockedError, match=told), hold_folder(tmp_path / "run"):
            pass
        other.kill()
        other.wait()
        with hold_folder(tmp_path / "run"):
            assert json.loads((tmp_path / "run" / OWNER).read_text())["process"] == os.getpid()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [LOCK]


def test_children_of_a_dead_process_are_waited_for(tmp_path):
    """Worker processes of a killed training hold its lock for some seconds."""
    (tmp_path / OWNER).write_text(json.dumps({"process": 2**22 + 1, "host": socket.gethostname()}))  # no such process
    lock = FileLock(tmp_path / LOCK, thread_local=False)
    lock.acquire()
    timer = threading.Timer(1, lock.release)
    timer.start()
    with hold_folder(tmp_path):
        assert not timer.is_alive() or lock.is_locked is False
    timer.join()


def test_a_disk_without_locks_is_told(tmp_path, monkeypatch, caplog):
    def refuse(self, **_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with hold_folder(tmp_path):
        pass
    assert f"{tmp_path / LOCK}: its disk has no locks" in caplog.text


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"process": [], "host": "x"}', "[]", "x" * 3_000_000])
def test_a_damaged_record_of_the_owner_does_no_harm(tmp_path, text):
    (tmp_path / OWNER).write_text(text)
    with hold_folder(tmp_path):
        pass
