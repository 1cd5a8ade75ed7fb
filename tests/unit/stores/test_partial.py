"""Partly downloaded files."""

import json
from hashlib import sha256

import pytest

from instageo.stores.partial import PartialFile, ResumeInfo


def test_a_partial_file_resumes_only_the_same_content(tmp_path):
    partial = PartialFile(tmp_path / "net.ckpt")
    assert partial.prepare(ResumeInfo("u", 10, "t")) == 0
    partial.path.write_bytes(b"12345")
    assert json.loads((tmp_path / "net.ckpt.part.json").read_text()) == {"url": "u", "size": 10, "etag": "t"}
    assert partial.prepare(ResumeInfo("u", 10, "t")) == 5
    assert partial.hash().hexdigest() == sha256(b"12345").hexdigest()
    assert partial.prepare(ResumeInfo("u", 10, "another")) == 0
    assert partial.path.read_bytes() == b""


def test_a_finished_file_leaves_nothing_else(tmp_path):
    partial = PartialFile(tmp_path / "net.ckpt")
    partial.prepare(ResumeInfo("u", 2, "t"))
    partial.path.write_bytes(b"12")
    partial.finish()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("net.ckpt", b"12")]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000, '{"url": "' + "x" * 3_000_000 + '"}', "null"])
def test_a_part_with_a_damaged_record_is_downloaded_again(tmp_path, text):
    partial = PartialFile(tmp_path / "net.ckpt")
    partial.prepare(ResumeInfo("u", 10, "t"))
    partial.path.write_bytes(b"12345")
    (tmp_path / "net.ckpt.part.json").write_text(text)
    assert partial.prepare(ResumeInfo("u", 10, "t")) == 0
    assert partial.path.read_bytes() == b""
