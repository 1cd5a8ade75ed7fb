"""Files in real stores on loopback: read, created, replaced, fetched while things go wrong."""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import boto3
import numpy as np
import pytest

from instageo.stores import cloud, download, retry
from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError, child_url, split_url
from instageo.stores.download import DownloadRequest, download_files, upload_files
from instageo.stores.open import open_store
from instageo.stores.partial import PartialFile, ResumeInfo
from tests import store, stores

KINDS = ("folder", "web", "google", "amazon")
DATA = np.random.default_rng(0).bytes(1_000_003)
SHA = hashlib.sha256(DATA).hexdigest()


@dataclass
class Place:
    """A store to test: where files lie, what goes wrong there, and how a file gets there behind its back."""

    kind: str
    url: str
    faults: stores.Faults
    put: object

    @property
    def tested(self):
        return open_store(self.url)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("web")
    with (
        store.running(root) as port,
        stores.google() as google,
        stores.amazon() as amazon,
        stores.proxied(f"http://127.0.0.1:{port}") as web,
        stores.proxied(google, google=True) as gs,
        stores.proxied(amazon) as s3,
    ):
        yield SimpleNamespace(root=root, web=web, google=gs, amazon=s3)


@pytest.fixture(params=KINDS)
def place(request, servers, tmp_path, monkeypatch):
    return place_of(request.param, servers, tmp_path, monkeypatch)


def place_of(kind, servers, tmp_path, monkeypatch):
    open_store.cache_clear()
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "GS_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(download, "PIECE", 1 << 16)
    own = uuid4().hex
    if kind == "folder":
        return Place(kind, str(tmp_path / own), stores.Faults(), written(tmp_path / own))
    url, faults = getattr(servers, kind)
    faults.busy, faults.refused, faults.cuts, faults.wrong, faults.sent, faults.requests = 0, False, [], 0, 0, []
    if kind == "web":
        return Place(kind, f"{url}/{own}", faults, written(servers.root / own))
    settings = {
        "google": {"STORAGE_EMULATOR_HOST": url},
        "amazon": {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"},
    }
    for name, value in settings[kind].items():
        monkeypatch.setenv(name, value)
    root = f"{'gs' if kind == 'google' else 's3'}://{stores.BUCKET}/{own}"
    return Place(kind, root, faults, lambda name, data: open_store(root).create(name, data))


def written(root):
    def put(name, data):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return put


def wanted(place, tmp_path, name="a b/net.ckpt", data=DATA, **told):
    place.put(name, data)
    place.faults.requests.clear()
    told = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | told
    return DownloadRequest(f"{place.url}/{name}", tmp_path / "to" / "net.ckpt", **told)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


def test_reads_and_tells(place):
    place.put("x/y.txt", b"0123456789")
    facts = place.tested.facts("x/y.txt")
    assert (place.tested.read("x/y.txt").data, facts.size) == (b"0123456789", 10)
    tag = facts.tag.partition("\n")[0]
    assert place.tested.piece("x/y.txt", 3, 7, tag) == b"3456"
    with pytest.raises(MissingFileError, match="no such file"):
        place.tested.read("x/z.txt")


@pytest.mark.parametrize("place", ["folder", "google", "amazon"], indirect=True)
def test_only_one_of_two_creates_or_replaces(place):
    def race(work):
        outcomes = []

        def one(number):
            try:
                work(number)
                outcomes.append("won")
            except (ExistsError, ChangedError) as error:
                outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        return sorted(outcomes)

    tested = place.tested
    assert race(lambda number: tested.create("m.yaml", b"%d" % number)) == ["ExistsError"] * 3 + ["won"]
    before = tested.read("m.yaml")
    assert race(lambda number: tested.replace("m.yaml", b"new %d" % number, before.tag)) == ["ChangedError"] * 3 + [
        "won"
    ]
    assert tested.read("m.yaml").data.startswith(b"new")


def test_a_web_server_is_for_reading(servers, tmp_path, monkeypatch):
    place = place_of("web", servers, tmp_path, monkeypatch)
    for write in (lambda s: s.create("a", b""), lambda s: s.replace("a", b"", "t"), lambda s: s.upload("a", tmp_path)):
        with pytest.raises(StoreError, match="nothing can be written over http"):
            write(place.tested)


def test_fetches_whole_files(place, tmp_path):
    first = wanted(place, tmp_path)
    least = b"1" if place.kind == "google" else b""  # the emulator takes no empty files
    small = tmp_path / "to" / ".hydra" / "config.yaml"
    place.put("small", least)
    download_files([first, DownloadRequest(f"{place.url}/small", small, len(least), hashlib.sha256(least).hexdigest())])
    assert small.read_bytes() == least
    assert first.path.read_bytes() == DATA
    assert files_in(tmp_path / "to") == ["config.yaml", "net.ckpt"]


def test_what_is_there_is_not_fetched_again(place, tmp_path):
    file = wanted(place, tmp_path)
    download_files([file])
    before = file.path.stat().st_mtime_ns, len([r for r in place.faults.requests if r[0] == "GET"])
    download_files([file])
    assert before == (file.path.stat().st_mtime_ns, len([r for r in place.faults.requests if r[0] == "GET"]))
    file.path.write_bytes(DATA[:-1] + b"?")  # other content of the same size
    download_files([file])
    assert file.path.read_bytes() == DATA


def test_without_a_checksum_the_stores_tag_tells(place, tmp_path):
    file = wanted(place, tmp_path, sha256=None, size=None)
    told = download_files([file])[file.path]
    file.path.write_bytes(b"x" * len(DATA))
    download_files([DownloadRequest(file.url, file.path, tag=told.tag)])
    assert file.path.read_bytes() == b"x" * len(DATA)  # size and tag are those: not fetched
    download_files([file])
    assert file.path.read_bytes() == DATA


REMOTE = pytest.mark.parametrize("place", ["web", "google", "amazon"], indirect=True)


@REMOTE
def test_a_busy_server_is_waited_for(place, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    file = wanted(place, tmp_path)
    place.faults.busy = 7
    download_files([file])
    assert file.path.read_bytes() == DATA
    assert "the store answers 503; trying again in" in caplog.text


@REMOTE
def test_a_server_that_stays_busy_is_told(place, tmp_path):
    file = wanted(place, tmp_path)
    place.faults.busy = 1000
    with pytest.raises(StoreError, match=r"cannot be reached \(.*503"):
        download_files([file])
    assert files_in(tmp_path / "to") == []


@REMOTE
def test_a_connection_cut_at_every_tenth(place, tmp_path):
    file = wanted(place, tmp_path)
    place.faults.cuts = [len(DATA) * tenth // 10 for tenth in range(1, 10)]
    place.faults.sent = 0
    download_files([file])
    assert place.faults.cuts == []
    assert file.path.read_bytes() == DATA


@REMOTE
def test_wrong_bytes_are_fetched_once_more(place, tmp_path):
    file = wanted(place, tmp_path)
    place.faults.wrong = 1
    download_files([file])
    assert file.path.read_bytes() == DATA


@REMOTE
def test_wrong_bytes_are_never_kept(place, tmp_path):
    file = wanted(place, tmp_path)
    place.faults.wrong = 1000
    with pytest.raises(StoreError, match=f"the registry says {SHA}; the file was damaged or exchanged"):
        download_files([file])
    assert files_in(tmp_path / "to") == []


def test_another_size_than_promised(place, tmp_path):
    file = wanted(place, tmp_path, size=7)
    with pytest.raises(StoreError, match="has 1000003 bytes, but the registry says 7"):
        download_files([file])


@REMOTE
def test_refused_says_what_to_set(place, tmp_path):
    file = wanted(place, tmp_path)
    place.faults.refused = True
    with pytest.raises(StoreError, match="access denied") as caught:
        download_files([file])
    hints = {"google": "GOOGLE_APPLICATION_CREDENTIALS", "amazon": "AWS_ACCESS_KEY_ID", "web": "check that the address"}
    assert hints[place.kind] in str(caught.value)
    assert "hush" not in str(caught.value)


def test_public_stores_are_asked_without_an_account(servers, tmp_path, monkeypatch):
    place = place_of("amazon", servers, tmp_path, monkeypatch)
    place.put("a", b"1")
    key = place.url.removeprefix(f"s3://{stores.BUCKET}/") + "/a"
    client = boto3.client("s3", endpoint_url=servers.amazon[0], region_name="us-east-1")
    client.put_object_acl(Bucket=stores.BUCKET, Key=key, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    open_store.cache_clear()
    assert place.tested.read("a").data == b"1"


def test_no_host_is_told_soon(servers, tmp_path, monkeypatch):
    place_of("web", servers, tmp_path, monkeypatch)
    with pytest.raises(StoreError, match="cannot be reached"):
        open_store("http://127.0.0.1:9").facts("a")


def test_a_file_that_changes_meanwhile_is_not_mixed(servers, tmp_path, monkeypatch):
    """Where a store keeps conditions on reading, as the emulator of S3 and folders do."""
    for kind in ("folder", "amazon"):
        place = place_of(kind, servers, tmp_path, monkeypatch)
        place.put("net.ckpt", DATA)
        with pytest.raises(ChangedError):
            place.tested.piece("net.ckpt", 0, 10, '"another"')


def test_goes_on_where_it_stopped(place, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    file = wanted(place, tmp_path)
    real, pieces = download.open_store(place.url + "/a b").piece, []

    def piece(self, name, start, end, tag):
        if start > 500_000:
            raise StoreError("the line is dead")
        return real(name, start, end, tag)

    kind = type(download.open_store(place.url + "/a b"))
    with monkeypatch.context() as patch:
        patch.setattr(kind, "piece", piece)
        with pytest.raises(StoreError, match="the line is dead"):
            download_files([file])
    begun = PartialFile(file.path).path.stat().st_size
    assert begun == 524_288  # eight pieces of 64 KiB
    assert not file.path.exists()
    before = kind.piece
    monkeypatch.setattr(kind, "piece", lambda self, *asked: pieces.append(asked[1]) or before(self, *asked))
    download_files([file])
    assert min(pieces) == begun
    assert file.path.read_bytes() == DATA
    assert f"going on after {begun} of 1000003 bytes" in caplog.text


def test_the_beginning_of_another_content_is_dropped(place, tmp_path):
    file = wanted(place, tmp_path)
    partial = PartialFile(file.path)
    file.path.parent.mkdir()
    partial.path.write_bytes(b"old" * 1000)
    download_files([file])
    assert file.path.read_bytes() == DATA


def test_a_full_disk_is_told_before(place, tmp_path, monkeypatch):
    file = wanted(place, tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(StoreError, match="1 MB are to come; make room"):
        download_files([file])


SCRIPT = """
import resource, signal, sys, time
from pathlib import Path
from instageo.errors import InstaGeoError
from instageo.model.registry import partial, transfer
from instageo.model.registry.transfer import Wanted, download
url, to, sha, how = sys.argv[1:]
transfer.PIECE = 1 << 16
if how == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
if how == "before the rename":
    partial.Partial.finish = lambda self: print("here", flush=True) or time.sleep(60)
if how == "slowly":
    real = transfer._in_order
    def slow(*given):
        for piece in real(*given):
            print("here", flush=True)
            time.sleep(0.1)
            yield piece
    transfer._in_order = slow
try:
    download([Wanted(url, Path(to), None, sha)])
except InstaGeoError as error:
    sys.exit(str(error))
"""


def start(file, how):
    command = [sys.executable, "-c", SCRIPT, file.url, str(file.path), file.sha256, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd())


@pytest.mark.slow
@pytest.mark.parametrize("place", ["google"], indirect=True)
@pytest.mark.parametrize("how", ["slowly", "before the rename"])
def test_a_killed_process_leaves_nothing_wrong(place, tmp_path, how):
    file = wanted(place, tmp_path)
    with start(file, how) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert not file.path.exists()
    assert PartialFile(file.path).path.exists()
    download_files([file])
    assert file.path.read_bytes() == DATA
    assert files_in(tmp_path / "to") == ["net.ckpt"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["amazon"], indirect=True)
def test_a_full_disk_while_writing(place, tmp_path):
    file = wanted(place, tmp_path)
    with start(file, "full") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be written: File too large; nothing of it was kept" in told
    assert files_in(tmp_path / "to") == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["web"], indirect=True)
def test_two_processes_fetch_the_same_file(place, tmp_path):
    file = wanted(place, tmp_path)
    with start(file, "slowly") as one:
        assert one.stdout.readline() == "here\n"
        with start(file, "") as two:
            assert (two.wait(60), one.wait(60)) == (0, 0)
    assert file.path.read_bytes() == DATA
    gets = [path for method, path in place.faults.requests if method == "GET"]
    assert len(gets) == 16  # pieces of one file, once


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("place", ["google"], indirect=True)
def test_a_small_disk(place, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        file = wanted(place, tmp_path)
        with pytest.raises(StoreError, match="make room"):
            download_files([DownloadRequest(file.url, disk / "net.ckpt", file.size, file.sha256)])
        monkeypatch = pytest.MonkeyPatch()
        with monkeypatch.context() as patch:
            patch.setattr(download, "_refuse_full_disk", lambda _: None)  # as if others filled it meanwhile
            with pytest.raises(StoreError, match="No space left on device; nothing of it was kept"):
                download_files([DownloadRequest(file.url, disk / "net.ckpt", file.size, file.sha256)])
        assert files_in(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("place", ["folder", "google", "amazon"], indirect=True)
def test_uploads_what_is_not_there(place, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(DATA)
    upload_files([(source, f"{place.url}/deep/net.ckpt")])
    assert open_store(f"{place.url}/deep").read("net.ckpt").data == DATA
    monkeypatch.setattr(type(place.tested), "upload", lambda *_: pytest.fail("was sent again"))
    upload_files([(source, f"{place.url}/deep/net.ckpt")])


@pytest.mark.parametrize("place", ["amazon"], indirect=True)
def test_uploads_large_files_in_parts(place, tmp_path, monkeypatch):
    monkeypatch.setattr(cloud, "LARGE", 1000)
    monkeypatch.setattr(cloud, "PART", 5 << 20)
    source = tmp_path / "source"
    source.write_bytes(DATA * 7)
    upload_files([(source, f"{place.url}/net.ckpt")])
    assert place.tested.read("net.ckpt").data == DATA * 7
    assert sum(method == "PUT" for method, _ in place.faults.requests) == 2  # 7 MB in parts of 5 MB


def test_a_server_without_ranges(tmp_path, monkeypatch):
    """Python's own web server gives files only whole."""
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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("gs://bucket/a/registry.yaml", ("gs://bucket/a", "registry.yaml")),
        ("https://host/registry.yaml", ("https://host", "registry.yaml")),
        ("/registry.yaml", ("/", "registry.yaml")),
        ("registry.yaml", (".", "registry.yaml")),
    ],
)
def test_place_and_name(url, expected):
    assert split_url(url) == expected


@pytest.mark.parametrize("url", ["gs://bucket", "gs://bucket/a/", "ftp://host/a.yaml", "/folder/"])
def test_what_names_no_file(url):
    with pytest.raises(StoreError, match=r"unknown scheme|names no file"):
        split_url(url)


@pytest.mark.parametrize(
    ("root", "name", "expected"),
    [
        ("gs://b/r", "tiny/1.0.0", "gs://b/r/tiny/1.0.0"),
        ("gs://b/r", "s3://c/d/", "s3://c/d"),
        ("/r", "/elsewhere/x", "/elsewhere/x"),
        ("/r", ".", "/r"),
    ],
)
def test_below_a_manifest(root, name, expected):
    assert child_url(root, name) == expected


@pytest.mark.parametrize(
    ("root", "name"), [("gs://b/r", "/etc"), ("gs://b/r", "../x"), ("/r", "a/../../x"), ("/r", "..\\x")]
)
def test_outside_a_manifest(root, name):
    with pytest.raises(StoreError, match="lies outside"):
        child_url(root, name)


def test_bytes_on_their_way_say_what_they_are(tmp_path):
    partial = PartialFile(tmp_path / "net.ckpt")
    assert partial.begun(ResumeInfo("u", 10, "t")) == 0
    partial.path.write_bytes(b"12345")
    assert json.loads((tmp_path / "net.ckpt.part.json").read_text()) == {"url": "u", "size": 10, "tag": "t"}
    assert partial.begun(ResumeInfo("u", 10, "t")) == 5
    assert partial.begun(ResumeInfo("u", 10, "another")) == 0
    assert partial.path.read_bytes() == b""


def test_waits_grow_and_end(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(retry.random, "uniform", lambda low, high: high)
    failure = type("Failure", (Exception,), {})

    def work():
        raise failure("status code: 429")

    with pytest.raises(failure):
        retry.retry(work, "x", failure)
    assert waits == [0.5, 1, 2, 4, 8, 15, 15]
    waits.clear()
    with pytest.raises(failure):
        retry.retry(lambda: (_ for _ in ()).throw(failure("status code: 400")), "x", failure)
    assert waits == []
