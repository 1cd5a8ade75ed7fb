"""Files are written completely or not at all, and errors of the disk are told."""

import errno
import os

import pytest

from instageo.errors import WriteError
from instageo.files import atomic_path, describe_os_error, find_unfinished, folder_errors, write_bytes, write_text
from tests.disks import file_size_limit, mounted_disk


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "content"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_an_error_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_text_is_written_as_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "ä\n")
    write_bytes(tmp_path / "b.txt", b"\xc3\xa4\n")
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_what_the_disk_refuses_is_told_with_the_file_and_its_disk(tmp_path):  # pitfall 81
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    with file_size_limit(1000), pytest.raises(WriteError) as caught:
        write_bytes(path, bytes(5000))
    told = str(caught.value)
    assert told.startswith(f"{path}: cannot be written: File too large (disk /")
    assert told.endswith("; the limit of a file's size (ulimit -f, or that of the disk) is too low")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin"]


def test_a_full_disk_and_a_read_only_one_are_told(tmp_path):  # pitfall 81
    disk = tmp_path / "disk"
    with mounted_disk(disk, "64k") as make_read_only:
        write_bytes(disk / "old.bin", b"old")
        full = rf"new/a\.bin: cannot be written: No space left on device \(disk {disk}, 0 MB free\); free some disk"
        with pytest.raises(WriteError, match=full):
            write_bytes(disk / "new" / "a.bin", bytes(100_000))
        assert list((disk / "new").iterdir()) == []
        make_read_only()
        with pytest.raises(WriteError, match=r"old\.bin: cannot be written: Read-only file system .* choose another"):
            write_bytes(disk / "old.bin", b"new")
        assert (disk / "old.bin").read_bytes() == b"old"


def test_the_longest_name_is_possible_and_a_longer_one_is_told(tmp_path):
    write_text(tmp_path / ("é" * 127), "content")
    with pytest.raises(WriteError, match=r"cannot be written: File name too long .*; use a shorter name"):
        write_text(tmp_path / ("é" * 128), "content")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_place_of_the_file_or_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(WriteError, match=r"folder: cannot be written: Is a directory .*; a folder has this name"):
        write_text(tmp_path / "folder", "content")
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"a.txt: cannot be written: .*; a part of the path is a file"):
        write_text(tmp_path / "file" / "a.txt", "content")


def test_an_error_that_names_another_file_passes_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), atomic_path(tmp_path / "file.txt"):
        (tmp_path / "other").read_text()


def test_a_file_that_is_not_whole_does_not_get_its_name(tmp_path):
    def verify(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(WriteError, match="Input/output error"), atomic_path(tmp_path / "a", verify=verify) as temporary:
        temporary.touch()
    assert list(tmp_path.iterdir()) == []


def test_errors_of_libraries_that_name_no_file_get_the_folder(tmp_path):  # pitfall 81
    told = f"{tmp_path}: a file in it cannot be written: No space left on device"
    with pytest.raises(WriteError, match=told), folder_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    for other in (OSError(errno.ECONNREFUSED, "refused"), OSError(errno.ENOSPC, "full", "/some/file")):
        with pytest.raises(OSError, match=r"refused|full") as caught, folder_errors(tmp_path):
            raise other
        assert caught.value is other


def test_an_error_of_the_system_is_one_sentence():
    assert describe_os_error(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv")) == (
        "a.csv: No such file or directory"
    )
    assert describe_os_error(OSError(errno.EROFS, "x", "/a.csv")).startswith("/a.csv: Read-only file system (disk /, ")


def test_only_what_was_left_of_these_files_is_found(tmp_path):
    long = "x" * 255
    for name in ("a.tif", "b.tif", long):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", lambda *paths: None)
            patch.setattr(type(tmp_path), "unlink", lambda path: None)
            write_text(tmp_path / name, "")
    assert len(list(tmp_path.iterdir())) == 3
    found = find_unfinished([tmp_path / "a.tif", tmp_path / long])
    assert sorted(path.name[:6] for path in found) == [".a.tif", ".xxxxx"]
