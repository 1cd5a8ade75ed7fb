"""Files in emulated stores on loopback: read, created, replaced, and downloaded while requests fail."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import boto3
import numpy as np
import pytest

from instageo.stores import cloud, download, retry
from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError
from instageo.stores.download import DownloadRequest, download_files, upload_files
from instageo.stores.open import open_store
from instageo.stores.partial import PartialFile
from tests import http_server, object_stores

KINDS = ("folder", "web", "google", "amazon")
DATA = np.random.default_rng(0).bytes(1_000_003)
SHA = hashlib.sha256(DATA).hexdigest()


@dataclass
class StoreUnderTest:
    """A store to test: its URL, the failures to produce, and a function that writes a file without this package.

    Amazon's and Google's emulators are written to by this package all the same.
    """

    kind: str
    url: str
    faults: object_stores.Faults
    put: object

    def open(self):
        return open_store(self.url)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("web")
    with (
        http_server.running(root) as port,
        object_stores.google() as google,
        object_stores.amazon() as amazon,
        object_stores.proxied(f"http://127.0.0.1:{port}") as web,
        object_stores.proxied(google, is_google=True) as gs,
        object_stores.proxied(amazon) as s3,
    ):
        yield SimpleNamespace(root=root, web=web, google=gs, amazon=s3)


@pytest.fixture(params=KINDS)
def target(request, servers, tmp_path, monkeypatch):
    return open_emulated(request.param, servers, tmp_path, monkeypatch)


def open_emulated(kind, servers, tmp_path, monkeypatch):
    """Return an empty store of a kind, with the environment that it needs."""
    open_store.cache_clear()
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "GS_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(download, "RANGE_SIZE", 1 << 16)
    folder = uuid4().hex
    if kind == "folder":
        return StoreUnderTest(kind, str(tmp_path / folder), object_stores.Faults(), writer(tmp_path / folder))
    url, faults = getattr(servers, kind)
    faults.clear()
    if kind == "web":
        return StoreUnderTest(kind, f"{url}/{folder}", faults, writer(servers.root / folder))
    variables = {
        "google": {"STORAGE_EMULATOR_HOST": url},
        "amazon": {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"},
    }
    for name, value in variables[kind].items():
        monkeypatch.setenv(name, value)
    root = f"{'gs' if kind == 'google' else 's3'}://{object_stores.BUCKET}/{folder}"
    return StoreUnderTest(kind, root, faults, lambda name, data: open_store(root).create(name, data))


def writer(root):
    def write(name, data):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return write


def put_and_request(target, tmp_path, name="a b/net.ckpt", data=DATA, **changes):
    """Put a file into a store, and return a request to download it."""
    target.put(name, data)
    target.faults.requests.clear()
    expected = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | changes
    return DownloadRequest(f"{target.url}/{name}", tmp_path / "to" / "net.ckpt", **expected)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


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


def test_several_files_are_downloaded(target, tmp_path):
    first = put_and_request(target, tmp_path)
    content = b"1" if target.kind == "google" else b""  # the emulator refuses empty files
    small = tmp_path / "to" / ".hydra" / "config.yaml"
    target.put("small", content)
    sha256 = hashlib.sha256(content).hexdigest()
    download_files([first, DownloadRequest(f"{target.url}/small", small, len(content), sha256)])
    assert small.read_bytes() == content
    assert first.path.read_bytes() == DATA
    assert files_in(tmp_path / "to") == ["config.yaml", "net.ckpt"]


def test_existing_files_are_not_downloaded_again(target, tmp_path):
    def state():
        return request.path.stat().st_mtime_ns, len([r for r in target.faults.requests if r[0] == "GET"])

    request = put_and_request(target, tmp_path)
    download_files([request])
    before = state()
    download_files([request])
    assert state() == before
    request.path.write_bytes(DATA[:-1] + b"?")  # other content of the same size
    download_files([request])
    assert request.path.read_bytes() == DATA


def test_without_a_checksum_the_etag_decides(target, tmp_path):
    request = put_and_request(target, tmp_path, sha256=None, size=None)
    info = download_files([request])[request.path]
    request.path.write_bytes(b"x" * len(DATA))
    download_files([DownloadRequest(request.url, request.path, etag=info.etag)])
    assert request.path.read_bytes() == b"x" * len(DATA)  # not downloaded: size and ETag are the same
    download_files([request])
    assert request.path.read_bytes() == DATA


REMOTE = pytest.mark.parametrize("target", ["web", "google", "amazon"], indirect=True)


@REMOTE
def test_requests_to_a_busy_server_are_retried(target, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    request = put_and_request(target, tmp_path)
    target.faults.busy = 7
    download_files([request])
    assert request.path.read_bytes() == DATA
    assert "the store answers 503; trying again in" in caplog.text


@REMOTE
def test_a_server_that_stays_busy_is_reported(target, tmp_path):
    request = put_and_request(target, tmp_path)
    target.faults.busy = 1000
    with pytest.raises(StoreError, match=r"cannot be reached \(.*503"):
        download_files([request])
    assert files_in(tmp_path / "to") == []


@REMOTE
def test_a_connection_cut_nine_times_delivers_the_file(target, tmp_path, monkeypatch):
    request = put_and_request(target, tmp_path)
    target.faults.cuts = [len(DATA) * tenth // 10 for tenth in range(1, 10)]
    target.faults.sent = 0
    monkeypatch.setattr(retry, "MAX_ATTEMPTS", 10)  # even if one range is cut each time
    download_files([request])
    assert target.faults.cuts == []
    assert request.path.read_bytes() == DATA


@REMOTE
def test_a_corrupted_file_is_downloaded_once_more(target, tmp_path):
    request = put_and_request(target, tmp_path)
    target.faults.corrupted = 1
    download_files([request])
    assert request.path.read_bytes() == DATA


@REMOTE
def test_corrupted_files_are_never_kept(target, tmp_path):
    request = put_and_request(target, tmp_path)
    target.faults.corrupted = 1000
    with pytest.raises(StoreError, match=f"the registry says {SHA}; the file is damaged or was replaced"):
        download_files([request])
    assert files_in(tmp_path / "to") == []


def test_another_size_than_in_the_registry_is_reported(target, tmp_path):
    request = put_and_request(target, tmp_path, size=7)
    with pytest.raises(StoreError, match="has 1000003 bytes, but the registry says 7"):
        download_files([request])


@REMOTE
def test_denied_access_names_the_variables_to_set(target, tmp_path):
    request = put_and_request(target, tmp_path)
    target.faults.denied = True
    with pytest.raises(StoreError, match="access denied") as caught:
        download_files([request])
    hints = {"google": "GOOGLE_APPLICATION_CREDENTIALS", "amazon": "AWS_ACCESS_KEY_ID", "web": "check that the URL"}
    assert hints[target.kind] in str(caught.value)
    assert "hush" not in str(caught.value)


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


def test_downloads_resume_where_they_stopped(target, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    request = put_and_request(target, tmp_path)
    kind, starts = type(target.open()), []
    read_range = kind.read_range

    def break_after_half(self, path, start, end, etag):
        if start > 500_000:
            raise StoreError("the connection broke")
        return read_range(self, path, start, end, etag)

    def record_start(self, path, start, end, etag):
        starts.append(start)
        return read_range(self, path, start, end, etag)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "read_range", break_after_half)
        with pytest.raises(StoreError, match="the connection broke"):
            download_files([request])
    size = PartialFile(request.path).path.stat().st_size
    assert size == 524_288  # eight ranges of 64 KiB
    assert not request.path.exists()
    monkeypatch.setattr(kind, "read_range", record_start)
    download_files([request])
    assert min(starts) == size
    assert request.path.read_bytes() == DATA
    assert f"resuming after {size} of 1000003 bytes" in caplog.text


def test_a_partial_file_of_another_content_is_not_resumed(target, tmp_path):
    request = put_and_request(target, tmp_path)
    partial = PartialFile(request.path)
    request.path.parent.mkdir()
    partial.path.write_bytes(b"old" * 1000)
    download_files([request])
    assert request.path.read_bytes() == DATA


def test_a_full_disk_is_reported_before_the_download(target, tmp_path, monkeypatch):
    request = put_and_request(target, tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(StoreError, match="0 MB free but 1 MB needed; free some disk space"):
        download_files([request])


SCRIPT = """
import resource, signal, sys, time
from pathlib import Path
from instageo.errors import InstaGeoError
from instageo.stores import download
from instageo.stores.partial import PartialFile
url, path, sha256, how = sys.argv[1:]
download.RANGE_SIZE = 1 << 16
if how == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
if how == "before the rename":
    PartialFile.finish = lambda self: print("here", flush=True) or time.sleep(60)
if how == "slowly":
    read_in_order = download._read_in_order
    def read_slowly(*arguments):
        for block in read_in_order(*arguments):
            print("here", flush=True)
            time.sleep(0.1)
            yield block
    download._read_in_order = read_slowly
try:
    download.download_files([download.DownloadRequest(url, Path(path), None, sha256)])
except InstaGeoError as error:
    sys.exit(str(error))
"""


def start(request, how):
    command = [sys.executable, "-c", SCRIPT, request.url, str(request.path), request.sha256, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd())


@pytest.mark.parametrize("target", ["google"], indirect=True)
@pytest.mark.parametrize("how", ["slowly", "before the rename"])
def test_a_killed_download_is_resumed(target, tmp_path, how):
    request = put_and_request(target, tmp_path)
    with start(request, how) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert not request.path.exists()
    assert PartialFile(request.path).path.exists()
    download_files([request])
    assert request.path.read_bytes() == DATA
    assert files_in(tmp_path / "to") == ["net.ckpt"]


@pytest.mark.parametrize("target", ["amazon"], indirect=True)
def test_a_disk_that_fills_up_leaves_no_partial_file(target, tmp_path):
    request = put_and_request(target, tmp_path)
    with start(request, "full") as process:
        _, message = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "cannot be written: File too large (disk /" in message
    assert message.rstrip().endswith("nothing of it was kept")
    assert files_in(tmp_path / "to") == []


@pytest.mark.parametrize("target", ["web"], indirect=True)
def test_two_processes_download_a_file_once(target, tmp_path):
    request = put_and_request(target, tmp_path)
    with start(request, "slowly") as one:
        assert one.stdout.readline() == "here\n"
        with start(request, "") as two:
            assert (two.wait(300), one.wait(300)) == (0, 0)
    assert request.path.read_bytes() == DATA
    gets = [path for method, path in target.faults.requests if method == "GET"]
    assert len(gets) == 16  # ranges of one file, each once


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("target", ["google"], indirect=True)
def test_a_download_that_does_not_fit_a_small_disk(target, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        request = put_and_request(target, tmp_path)
        with pytest.raises(StoreError, match="free some disk space"):
            download_files([DownloadRequest(request.url, disk / "net.ckpt", request.size, request.sha256)])
        monkeypatch = pytest.MonkeyPatch()
        with monkeypatch.context() as patch:
            patch.setattr(download, "_check_disk_space", lambda _: None)  # as if others filled the disk in the meantime
            with pytest.raises(StoreError, match=r"No space left on device \(disk .*; nothing of it was kept$"):
                download_files([DownloadRequest(request.url, disk / "net.ckpt", request.size, request.sha256)])
        assert files_in(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


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


def test_a_server_without_range_requests(tmp_path):
    """Python's own web server sends only whole files."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (tmp_path / "net.ckpt").write_bytes(DATA)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net.ckpt"
        download_files([DownloadRequest(url, tmp_path / "to" / "net.ckpt", len(DATA), SHA)])
        server.shutdown()
    assert (tmp_path / "to" / "net.ckpt").read_bytes() == DATA
