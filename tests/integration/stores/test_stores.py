"""Files in emulated stores on loopback: read, created, replaced, uploaded."""

import threading

import boto3
import pytest

from instageo.stores import cloud
from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError
from instageo.stores.download import upload_files
from instageo.stores.open import open_store
from tests import object_stores
from tests.integration.stores.conftest import DATA, open_emulated


def test_files_are_read_whole_and_in_ranges(target):
    target.put("x/y.txt", b"0123456789")
    info = target.open().stat("x/y.txt")
    assert (target.open().read("x/y.txt").data, info.size) == (b"0123456789", 10)
    etag = info.etag.partition("\n")[0]
    assert target.open().read_range("x/y.txt", 3, 7, etag) == b"3456"
    with pytest.raises(MissingFileError, match="no such file"):
        target.open().read("x/z.txt")


@pytest.mark.parametrize("target", ["folder", "google", "amazon"], indirect=True)
def test_only_one_of_several_writers_creates_or_replaces(target):
    def outcomes_of_four(write):
        outcomes = []

        def run(number):
            try:
                write(number)
                outcomes.append("written")
            except (ExistsError, ChangedError) as error:
                outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        return sorted(outcomes)

    store = target.open()
    assert outcomes_of_four(lambda n: store.create("m.yaml", b"%d" % n)) == ["ExistsError"] * 3 + ["written"]
    first = store.read("m.yaml")
    replaced = outcomes_of_four(lambda n: store.replace_if_match("m.yaml", b"new %d" % n, first.etag))
    assert replaced == ["ChangedError"] * 3 + ["written"]
    assert store.read("m.yaml").data.startswith(b"new")


def test_a_web_server_is_read_only(servers, tmp_path, monkeypatch):
    store = open_emulated("web", servers, tmp_path, monkeypatch).open()
    for write in (
        lambda: store.create("a", b""),
        lambda: store.replace_if_match("a", b"", "t"),
        lambda: store.upload("a", tmp_path),
    ):
        with pytest.raises(StoreError, match="http is read-only; write to the store itself"):
            write()


def test_public_stores_need_no_credentials(servers, tmp_path, monkeypatch):
    target = open_emulated("amazon", servers, tmp_path, monkeypatch)
    target.put("a", b"1")
    key = target.url.removeprefix(f"s3://{object_stores.BUCKET}/") + "/a"
    client = boto3.client("s3", endpoint_url=servers.amazon[0], region_name="us-east-1")
    client.put_object_acl(Bucket=object_stores.BUCKET, Key=key, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    open_store.cache_clear()
    assert target.open().read("a").data == b"1"


def test_an_unreachable_host_is_reported(servers, tmp_path, monkeypatch):
    open_emulated("web", servers, tmp_path, monkeypatch)
    with pytest.raises(StoreError, match="cannot be reached"):
        open_store("http://127.0.0.1:9").stat("a")


def test_ranges_of_a_changed_file_are_not_mixed(servers, tmp_path, monkeypatch):
    """Of the emulators, only that of S3 checks conditions of reads."""
    for kind in ("folder", "amazon"):
        target = open_emulated(kind, servers, tmp_path, monkeypatch)
        target.put("net.ckpt", DATA)
        with pytest.raises(ChangedError):
            target.open().read_range("net.ckpt", 0, 10, '"another"')


@pytest.mark.parametrize("target", ["folder", "google", "amazon"], indirect=True)
def test_existing_files_are_not_uploaded_again(target, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(DATA)
    upload_files([(source, f"{target.url}/deep/net.ckpt")])
    assert open_store(f"{target.url}/deep").read("net.ckpt").data == DATA
    monkeypatch.setattr(type(target.open()), "upload", lambda *_: pytest.fail("uploaded again"))
    upload_files([(source, f"{target.url}/deep/net.ckpt")])


@pytest.mark.parametrize("target", ["amazon"], indirect=True)
def test_large_files_are_uploaded_in_parts(target, tmp_path, monkeypatch):
    monkeypatch.setattr(cloud, "MULTIPART_THRESHOLD", 1000)
    monkeypatch.setattr(cloud, "MULTIPART_CHUNK_SIZE", 5 << 20)
    source = tmp_path / "source"
    source.write_bytes(DATA * 7)
    upload_files([(source, f"{target.url}/net.ckpt")])
    assert target.open().read("net.ckpt").data == DATA * 7
    assert sum(method == "PUT" for method, _ in target.faults.requests) == 2  # 7 MB in parts of 5 MB
