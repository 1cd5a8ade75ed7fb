"""Files downloaded from emulated stores while requests fail."""

import hashlib
import logging
import threading
from types import SimpleNamespace

import pytest

from instageo.stores import download, retry
from instageo.stores.base import StoreError
from instageo.stores.download import DownloadRequest, download_files
from instageo.stores.partial import PartialFile
from tests.integration.stores.conftest import DATA, SHA, files_in, put_and_request

REMOTE = pytest.mark.parametrize("target", ["web", "google", "amazon"], indirect=True)


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
