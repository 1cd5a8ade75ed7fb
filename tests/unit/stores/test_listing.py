"""Files of a store are listed, page by page, with what a download needs to know of them."""

import pytest

from instageo.stores.base import FileInfo, MissingFileError, StoreError
from instageo.stores.cloud import open_object_store
from instageo.stores.folder import FolderStore
from tests import data_server


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Folder that is served as Google's bucket b, with nine files and one in another folder."""
    for number in range(9):
        path = tmp_path / "b" / "data" / f"sub {number % 2}" / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * number)
    (tmp_path / "b" / "database").mkdir()
    (tmp_path / "b" / "database" / "other").write_text("no file of data/")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with data_server.running(tmp_path) as port:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield tmp_path / "b"


@pytest.mark.parametrize("url", ["gs://b/data", "gs://b/data/", "gs://b"])
def test_a_bucket_lists_the_files_below_a_folder(bucket, url):
    root = bucket if url == "gs://b" else bucket / "data"
    expected = {
        path.relative_to(root).as_posix(): FileInfo(path.stat().st_size, f'"{data_server.etag(path)}"')
        for path in root.rglob("*")
        if path.is_file()
    }
    assert dict(open_object_store(url).list_files()) == expected
    assert len(expected) == (10 if url == "gs://b" else 9)  # more than a page


def test_a_folder_lists_its_files(bucket):
    files = dict(FolderStore(str(bucket / "data")).list_files())
    assert files["sub 1/3.tif"].size == 3
    assert len(files) == 9
    with pytest.raises(MissingFileError, match="no such folder"):
        list(FolderStore(str(bucket / "nowhere")).list_files())


def test_an_empty_folder_of_a_bucket_has_no_files(bucket):
    assert list(open_object_store("gs://b/nothing").list_files()) == []


def test_web_servers_list_nothing():
    with pytest.raises(StoreError, match="a web server does not list its files; name each of them"):
        list(open_object_store("https://host/data").list_files())
