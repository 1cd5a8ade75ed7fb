"""Converted models are whole or absent, and checked before they are read."""

import multiprocessing
import os
import time

import pytest

from instageo.errors import WriteError
from instageo.model.backends.converted_models import (
    CHECKSUMS,
    content_checksum,
    converted_model,
    has_converted,
    is_whole,
)
from tests.disks import mounted_disk


def write(folder, content=b"weights"):
    (folder / "model.xml").write_bytes(b"<net/>")
    (folder / "model.bin").write_bytes(content)


def count_and_write(counter, folder):
    with counter.open("a") as file:
        file.write("x")
    time.sleep(0.3)
    write(folder)


def convert_in_process(root, counter):
    with converted_model("key", lambda folder: count_and_write(counter, folder), folder=root) as entry:
        assert is_whole(entry)


def test_an_entry_is_made_once(tmp_path):
    counter = tmp_path / "counter"
    for _ in range(2):
        convert_in_process(tmp_path / "cache", counter)
    assert counter.read_text() == "x"


def test_two_processes_at_once_make_it_once(tmp_path):
    counter, context = tmp_path / "counter", multiprocessing.get_context("fork")
    processes = [context.Process(target=convert_in_process, args=(tmp_path / "cache", counter)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert counter.read_text() == "x"


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "foreign", "checksums"])
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    with converted_model("key", write, folder=tmp_path) as entry:
        before = content_checksum(entry)
    path = entry / "model.bin"
    if damage == "cut":
        path.write_bytes(b"weigh")
    elif damage == "changed":
        path.write_bytes(b"Weights")
    elif damage == "lost":
        path.unlink()
    elif damage == "foreign":
        (entry / "other").touch()
    else:
        (entry / CHECKSUMS).write_text("[1, 2")
    assert not is_whole(entry)
    with converted_model("key", write, folder=tmp_path) as entry:
        assert is_whole(entry)
        assert content_checksum(entry) == before


def test_a_failed_conversion_leaves_nothing(tmp_path):
    def fail(folder):
        write(folder)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), converted_model("key", fail, folder=tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_entry_that_was_not_used_for_longest_goes_first(tmp_path):
    for number, key in enumerate(("a", "b", "c")):
        with converted_model(key, lambda folder: write(folder, bytes(1000)), folder=tmp_path) as entry:
            pass
        os.utime(entry, (number, number))
    with converted_model("a", write, folder=tmp_path):  # used again
        pass
    with converted_model("d", lambda folder: write(folder, bytes(1000)), folder=tmp_path, max_bytes=3500):
        pass
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a", "d"]


def test_what_killed_processes_left_goes_after_a_day(tmp_path):
    for name, age in ((".old.part", 25 * 3600), (".new.part", 3600)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with converted_model("key", write, folder=tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [".new.part", "key"]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "link to a whole entry"])
def test_what_is_no_folder_is_replaced_and_no_link_is_followed(tmp_path, kind):
    root, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    root.mkdir()
    if kind == "link to a whole entry":
        with converted_model("elsewhere", write, folder=tmp_path):
            pass
    elif kind == "link":
        elsewhere.mkdir()
        (elsewhere / "precious").write_text("mine")
    before = sorted(elsewhere.glob("*"))
    if kind == "file":
        (root / "key").write_text("text")
    else:
        (root / "key").symlink_to(elsewhere)
    for _ in range(2):
        with converted_model("key", write, folder=root) as entry:
            assert is_whole(entry)
            assert not entry.is_symlink()
    assert sorted(elsewhere.glob("*")) == before


def test_an_odd_entry_keeps_no_other_from_going(tmp_path):
    root = tmp_path / "cache"
    (root / "broken").mkdir(parents=True)
    (root / "broken" / "link").symlink_to(tmp_path / "missing")
    (root / "link").symlink_to(tmp_path)
    for name in ("locked", "old"):
        (root / name).mkdir()
        (root / name / "model").write_bytes(bytes(5000))
    (root / ".locked.lock").mkdir()  # its lock cannot be taken
    for number, name in enumerate(("locked", "old", "broken")):
        os.utime(root / name, (number, number))
    with converted_model("key", write, folder=root, max_bytes=1000):
        pass
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == ["key", "link", "locked"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("lock folder", "Is a directory"),
        ("lock link", "Too many levels of symbolic links"),
        ("root file", "File exists"),
    ],
)
def test_a_lock_that_cannot_be_taken_is_an_error_of_writing(tmp_path, damage, reason):
    root = tmp_path / "cache"
    if damage == "root file":
        root.touch()
    else:
        root.mkdir()
        lock = root / ".key.lock"
        lock.mkdir() if damage == "lock folder" else lock.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(WriteError, match=rf"/\.key\.lock: cannot be written: {reason}"),
        converted_model("key", write, folder=root),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_may_not_be_written_to(tmp_path):
    root = tmp_path / "cache"
    with mounted_disk(root, "1m") as make_read_only:
        make_read_only()
        with pytest.raises(WriteError, match="the disk is read-only"), converted_model("key", write, folder=root):
            pass
        assert not has_converted("key", root)


def test_a_whole_entry_of_a_read_only_folder_is_read(tmp_path):
    root = tmp_path / "cache"
    with mounted_disk(root, "1m") as make_read_only:
        with converted_model("key", write, folder=root) as made:
            pass
        make_read_only()
        with converted_model("key", write, folder=root) as read:
            assert read == made
            assert (read / "model.bin").read_bytes() == b"weights"


def test_a_file_that_a_library_cannot_open_is_an_error_of_writing(tmp_path):
    def convert(folder):
        (folder / ("n" * 300)).touch()

    with pytest.raises(WriteError, match="File name too long"), converted_model("key", convert, folder=tmp_path):
        pass
