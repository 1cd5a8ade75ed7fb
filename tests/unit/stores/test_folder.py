"""A folder as a store."""

import pytest

from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError
from instageo.stores.folder import FolderStore


def test_files_are_created_once_and_replaced_only_if_unchanged(tmp_path):
    store = FolderStore(str(tmp_path))
    store.create("a/m.yaml", b"1")
    with pytest.raises(ExistsError, match="already exists"):
        store.create("a/m.yaml", b"2")
    first = store.read("a/m.yaml")
    store.replace_if_match("a/m.yaml", b"3", first.etag)
    with pytest.raises(ChangedError, match="somebody else has changed it"):
        store.replace_if_match("a/m.yaml", b"4", first.etag)
    assert store.read("a/m.yaml").data == b"3"
    assert {path.name for path in (tmp_path / "a").iterdir()} <= {"m.yaml", ".m.yaml.lock"}


def test_errors_name_the_file(tmp_path):
    store = FolderStore(str(tmp_path))
    for access in (
        lambda: store.read("x"),
        lambda: store.stat("x"),
        lambda: store.read_range("x", 0, 1, ""),
        lambda: store.replace_if_match("x", b"", "t"),
    ):
        with pytest.raises(MissingFileError, match=f"{tmp_path}/x: no such file"):
            access()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=f"{tmp_path}/folder: Is a directory"):
        store.read("folder")
