"""A server under hostile clients: fuzz, stalled and endless uploads, killed processes, and what they leave."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from benchmarks.free_port import free_port
from benchmarks.serving_fuzz import fuzz
from benchmarks.watched_server import BOUNDARY, form, form_begin, watched_server
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, write_chips
from tests.integration.servers import image, received

HEAD = (
    "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n{{}}\r\n\r\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two classes with tiles of 128 pixels."""
    base = tmp_path_factory.mktemp("trained")
    tables = [
        f"root_dir={write_chips(base / 'data', side=128)}",
        "train_filepath=train.csv",
        "valid_filepath=valid.csv",
    ]
    assert main([*tables, *QUICK, f"hydra.run.dir={base / 'run'}"]) == 0
    return base / "run"


def test_hostile_clients_and_kills(run, short_folder, tmp_path):
    """One server is killed; the next one starts in the folder where it has left its files."""
    chip = image(tmp_path, (6,)).read_bytes()
    limits = ["--timeout-s", "20", "--max-concurrency", "3", "--upload-mb", "1"]
    with watched_server(f"m={run}", *limits, folder=short_folder, stop=signal.SIGKILL) as server:
        check_stalled_and_endless_uploads(server, chip)
        check_a_killed_front_starts_again(server, chip)
    assert len(list(short_folder.glob("instageo-server-*"))) == 1  # killed as a whole
    with (
        ThreadPoolExecutor(1) as pool,
        watched_server(f"m={run}", "--memory-mb", "200", folder=short_folder, stop=signal.SIGTERM) as server,
    ):
        check_fuzz(server, tmp_path)
        check_own_folder(server, short_folder, chip)  # what the killed one left is gone
        check_large_images_leave_no_memory(server, form(image(tmp_path, (6,), side=1000).read_bytes()))
        last = pool.submit(server.request, "POST", "/v1/predict", form(image(tmp_path, (6,), side=1100).read_bytes()))
        time.sleep(0.1)  # so that the server is stopped while it computes
    status, content = last.result()
    assert status == 200 or json.loads(content)["detail"].startswith("the server is stopping")  # if the machine is busy
    check_orderly_end(server, short_folder)


def check_fuzz(server, tmp_path):
    """Check that malformed requests and mutated images, a seeded part of `benchmarks/serving_fuzz.py`, are refused."""
    before = server.memory_mb()["front"]
    statuses = fuzz(server, seed=1, requests=150, images=150)
    assert server.request("GET", "/healthz")[0] == 200
    for name, content in images_of_the_whole_earth(tmp_path):
        for path in ("?format=tif", "?format=json", "?format=png", "/show"):
            status, response = server.request("POST", f"/v1/predict{path}", form(content))
            assert status == 200, (name, path, response[:300])
            assert path not in ("?format=json", "/show") or json.loads(response)["bounds_lonlat"] is None
    assert server.tracebacks() == []
    for kind, counts in statuses.items():
        assert counts.total() == 150
        assert not [code for code in counts if code >= 500 and code != 503], (kind, counts)
        assert any(400 <= code < 500 for code in counts)
    assert statuses["images"][200] > 0
    assert server.most_mb - before <= 1.2 * 200


def check_own_folder(server, folder, chip):
    """Check that a server shows a map from the one folder that is its own, and has not started again."""
    assert server.request("POST", "/v1/predict/show", form(chip))[0] == 200
    assert len(list(folder.glob("instageo-server-*"))) == 1
    assert b"instageo_front_restarts_total 0.0" in server.request("GET", "/metrics")[1]


def check_large_images_leave_no_memory(server, large):
    """Check that what images of a megapixel needed goes back to the system within seconds."""
    memory = []
    for images in (1, 4):
        for _ in range(images):
            assert server.request("POST", "/v1/predict?format=tif", large)[0] == 200
        time.sleep(3)
        memory.append(server.memory_mb()["front"])
    assert memory[1] - memory[0] < 15


def check_orderly_end(server, folder):
    assert server.process.returncode == 0
    assert list(folder.glob("instageo-*")) == []


def images_of_the_whole_earth(folder):
    """Images whose corners are space, in projections by name."""
    values = np.random.default_rng(1).integers(500, 3000, (6, 32, 32)).astype(np.int16)
    for name, half in (("nsper +h=3000000", 5e6), ("sinu", 1.9e7), ("eck4", 1.6e7)):
        transform = Affine(2 * half / 32, 0, -half, 0, -2 * half / 32, half)
        crs = CRS.from_proj4(f"+proj={name} +datum=WGS84")
        write_raster(folder / "earth.tif", values, Grid(crs.to_wkt(), transform, 32, 32))
        yield name, (folder / "earth.tif").read_bytes()


def dribble(port, length, responses):
    """Send a form bytewise until the server responds."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
        is_chunked, begin = "chunked" in length, form_begin()
        client.sendall(HEAD.format(length).encode() + (b"%x\r\n%b\r\n" % (len(begin), begin) if is_chunked else begin))
        piece = b"1\r\nx\r\n" if is_chunked else b"x"
        while True:
            with suppress(OSError):
                client.sendall(piece)
            try:
                responses.append(client.recv(4096))
                return
            except TimeoutError:
                continue


def check_stalled_and_endless_uploads(server, chip):
    """Check that uploads that stall or never end are ended, and others are predicted meanwhile."""
    responses = []
    lengths = ("Content-Length: 9000", "Transfer-Encoding: chunked", "Content-Length: 900000")
    clients = [threading.Thread(target=dribble, args=(server.port, each, responses)) for each in lengths]
    for client in clients:
        client.start()
    time.sleep(6)  # so that the slowest may be displaced
    assert [server.request("GET", path)[0] for path in ("/healthz", "/metrics")] == [200, 200]
    assert server.request("POST", "/v1/predict", form(chip))[0] == 200  # though all places were taken
    for client in clients:
        client.join()
    assert [response.startswith(b"HTTP/1.1 408 ") for response in responses] == [True] * 3
    with socket.create_connection(("127.0.0.1", server.port), timeout=600) as client:
        client.sendall(HEAD.format("Transfer-Encoding: chunked").encode())
        with suppress(OSError):  # the server has closed the connection
            client.sendall(b"%x\r\n%b\r\n" % (len(form_begin()), form_begin()))
            for _ in range(40):
                client.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert received(client).startswith(b"HTTP/1.1 413 ")


def check_a_killed_front_starts_again(server, chip):
    """Check that what answers starts again after a kill and after a crash, without the results that it had."""
    name = json.loads(server.request("POST", "/v1/predict/show", form(chip))[1])["name"]
    for restarts, number in enumerate((signal.SIGKILL, signal.SIGSEGV)):
        assert f"instageo_front_restarts_total {restarts}.0" in server.request("GET", "/metrics")[1].decode()
        killed = server.front_process()
        os.kill(killed, number)
        end = time.monotonic() + 600
        while server.front_process() in (None, killed) and time.monotonic() < end:
            time.sleep(0.1)
        while server.request("GET", "/healthz", timeout=10)[0] != 200 and time.monotonic() < end:
            time.sleep(0.1)
    assert b"instageo_front_restarts_total 2.0" in server.request("GET", "/metrics")[1]
    assert server.request("GET", f"/v1/results/{name}/prediction.tif")[0] == 404
    assert server.request("POST", "/v1/predict/show", form(chip))[0] == 200


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_while_it_starts_ends_in_order(run, short_folder, stop):
    command = [sys.executable, "-m", "instageo.cli", "serve", f"m={run}", "--port", f"{free_port()}"]
    environment = os.environ | {"TMPDIR": str(short_folder), "RAY_TMPDIR": str(short_folder)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        end = time.monotonic() + 600
        while not list(short_folder.rglob("raylet.out")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(stop)
        _, log = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert list(short_folder.glob("instageo-*")) == []
