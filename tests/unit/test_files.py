"""Files are written completely or not at all."""

import pytest

from instageo.files import atomic_path, write_bytes, write_text


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


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "map.tif", suffix=".tif") as temporary:
        assert temporary.name.startswith(".map.")
        assert temporary.name.endswith(".part.tif")
        temporary.touch()


def test_text_is_written_as_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "ä\n")
    write_bytes(tmp_path / "b.txt", b"\xc3\xa4\n")
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()
