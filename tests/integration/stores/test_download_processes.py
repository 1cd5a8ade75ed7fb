"""Downloads whose process is killed, runs out of disk, or meets another one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instageo.stores import download
from instageo.stores.base import StoreError
from instageo.stores.download import DownloadRequest, download_files
from instageo.stores.partial import PartialFile
from tests.integration.stores.conftest import DATA, files_in, put_and_request

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
