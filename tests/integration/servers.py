"""Helpers of tests of servers: a server on a free port of loopback, requests to it, and its processes."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import psutil
from affine import Affine

from benchmarks.free_port import free_port
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster

BOUNDARY = "instageo-test"


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen

    def request(self, method, path, body=None, headers=None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def replica_processes(self):
        """Process IDs of its replicas that hold networks."""
        parents, titled = {}, []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                title = (entry / "cmdline").read_bytes()
            except OSError:  # it ended in the meantime
                continue
            if title.startswith(b"ray::ServeReplica:instageo:ModelReplica"):
                titled.append(int(entry.name))

        def own(number):
            return number == self.process.pid or (number in parents and own(parents[number]))

        return [number for number in titled if own(number)]

    def open_addresses(self):
        """Addresses beyond loopback that its processes listen on."""
        main = psutil.Process(self.process.pid)
        sockets = [each for process in [main, *main.children(recursive=True)] for each in _sockets(process)]
        assert any(each.laddr.port == self.port for each in sockets if each.status == psutil.CONN_LISTEN)
        listening = {each.laddr.ip.removeprefix("::ffff:") for each in sockets if each.status == psutil.CONN_LISTEN}
        return {address for address in listening if not ip_address(address).is_loopback}

    def send(self, path, content=None, field="file", name="image.tif", **fields):
        parts = [(field, name, content)] if content is not None else []
        body = b""
        for key, value in fields.items():
            body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, file, data in parts:
            disposition = f'Content-Disposition: form-data; name="{key}"; filename="{file}"'
            body += f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: image/tiff\r\n\r\n".encode() + data + b"\r\n"
        body += f"--{BOUNDARY}--\r\n".encode()
        return self.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def _sockets(process):
    try:
        return process.net_connections("inet")
    except psutil.Error:  # it ended in the meantime
        return []


@contextmanager
def serving(*arguments, stop=signal.SIGINT):
    """A server by `instageo serve ARGUMENTS…`."""
    port = free_port()
    command = [sys.executable, "-m", "instageo.cli", "serve", *map(str, arguments), "--port", str(port)]
    with started(command, port, stop) as server:
        yield server
    assert server.process.returncode == 0  # it ended by itself after the signal


@contextmanager
def started(command, port, stop=signal.SIGINT, **options):
    """A ready server that a command starts on this port; stopped by a signal."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as process:
        server = Server(port, process)
        try:
            assert wait_ready(server) == 200
            yield server
        finally:
            process.send_signal(stop)
            try:
                process.wait(600)
            finally:
                process.kill()


def wait_ready(server):
    """The last status of /readyz; the limit only ends a test whose server never starts, however busy the machine is."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        try:
            status = server.get("/readyz")[0]
        except OSError:
            status = 0
        if status == 200 or server.process.poll() is not None:
            return status
        time.sleep(0.1)
    return status


@contextmanager
def load(server, content, clients, path="/v1/predict?format=json"):
    """Clients that send requests while this block lasts; yields the statuses of the responses."""
    over, statuses = threading.Event(), []

    def client():
        while not over.is_set():
            statuses.append(server.send(path, content)[0])

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client) for _ in range(clients)]
        try:
            yield statuses
        finally:
            over.set()
        for future in running:
            future.result()


def wait_for(condition, seconds):
    """Whether a condition becomes true within some seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def received(client):
    """All that a server sends until it closes the connection."""
    content = b""
    with suppress(OSError):  # reset, since it has not read everything
        while part := client.recv(4096):
            content += part
    return content


def image(tmp_path, shape, *, side=32, missing=True, name="chip.tif", dtype=np.int16):
    """A GeoTIFF of noise with a corner of nodata."""
    rng = np.random.default_rng(1)
    values = rng.integers(500, 3000, (*shape, *(side if isinstance(side, tuple) else (side, side)))).astype(dtype)
    if missing:
        values[:, :5, :7] = -9999
    grid = Grid("EPSG:32614", Affine(30, 0, 500_000, 0, -30, 4_000_000), *values.shape[1:])
    write_raster(tmp_path / name, values, grid)
    return tmp_path / name


def chip_inference(run, chip, folder):
    """The map that `mode=chip_inference` writes for a file."""
    (folder / "table.csv").write_text(f"Input\n{chip.name}\n")
    arguments = [f"root_dir={chip.parent}", f"test_filepath={folder / 'table.csv'}", f"checkpoint_path={run}"]
    assert main(["mode=chip_inference", *arguments, "accelerator=cpu", f"hydra.run.dir={folder / 'out'}"]) == 0
    return read_raster(next((folder / "out").rglob("*.tif")))
