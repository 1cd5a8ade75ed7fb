"""Partly downloaded files."""

import json
from hashlib import sha256

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
