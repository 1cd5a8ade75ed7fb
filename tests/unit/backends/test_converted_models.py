"""Converted models are whole or absent, and checked before they are read."""

import multiprocessing
import os
import time

import pytest

from instageo.model.backends.converted_models import CHECKSUMS, content_checksum, converted_model, is_whole


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
