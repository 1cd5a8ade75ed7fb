"""Measure a server under load: 16 clients for a minute on this machine, compared to the same network called directly.

python benchmarks/serving.py CHECKPOINT CHIP [--backend auto] [--seconds 60] [--clients 16] [--replicas 1] [--port 8790]

Prints requests per second, their latency, the mean batch, CPU milliseconds of each process per request, the speed of
the network by itself in PyTorch before and after, and when further replicas started, in seconds of the load.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil

BOUNDARY = "instageo-benchmark"


def request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send a request, and return the status and the content of the response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def measure_network(checkpoint: Path, chip: Path, seconds: float) -> float:
    """Return chips per second of the network by itself: batches of 16 normalised tiles, all cores."""
    code = """
import sys, time, torch
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.image import read_chip
from instageo.model.map_jobs.trained_model import load_model
p = load_model(sys.argv[1], device="cpu")
c = read_chip(sys.argv[2], chip_format_from_settings(p.settings))
x = torch.from_numpy(c.image)[None].expand(16, -1, -1, -1, -1).contiguous()
t = torch.full((16, x.shape[2], 2), float("nan")); l = torch.full((16, 2), float("nan"))
with torch.inference_mode():
    p.net(x, t, l)
    n, began = 0, time.perf_counter()
    while time.perf_counter() - began < float(sys.argv[3]):
        p.net(x, t, l); n += 16
print(n / (time.perf_counter() - began))
"""
    command = [sys.executable, "-c", code, str(checkpoint), str(chip), str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def load(port: int, body: bytes, clients: int, seconds: float) -> tuple[list[float], list[int], float]:
    """Send requests for some seconds; return their times and statuses, and the seconds that passed."""
    times: list[float] = []
    statuses: list[int] = []
    began = time.monotonic()

    def client() -> None:
        while time.monotonic() - began < seconds:
            start = time.monotonic()
            statuses.append(request(port, "POST", "/v1/predict?format=npy", body)[0])
            times.append(time.monotonic() - start)

    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    return times, statuses, time.monotonic() - began


def count_replicas(starts: dict[int, float], over: threading.Event) -> None:
    """Note the second in which there are 1, 2, … replicas."""
    began = time.monotonic()
    while not over.wait(0.5):
        result = subprocess.run(
            ["pgrep", "-fc", "^ray::ServeReplica:instageo:ModelReplica"], capture_output=True, text=True
        )
        starts.setdefault(int(result.stdout), round(time.monotonic() - began, 1))


def read_cpu_seconds(server: int) -> dict[str, float]:
    """Return the CPU seconds of the server's processes so far, by what they do."""
    seconds = dict.fromkeys(("FrontEnd", "ModelReplica", "ProxyActor", "other"), 0.0)
    for process in psutil.Process(server).children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            title, times = " ".join(process.cmdline()), process.cpu_times()
            kind = next((kind for kind in seconds if kind in title), "other")
            seconds[kind] += times.user + times.system
    return seconds


def main() -> None:
    """Measure the network, the server, and the network again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("chip", type=Path)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--port", type=int, default=8790)
    arguments = parser.parse_args()
    before = measure_network(arguments.checkpoint, arguments.chip, 10)
    command = [sys.executable, "-m", "instageo.cli", "serve", f"m={arguments.checkpoint}"]
    for option in ("backend", "replicas", "port"):
        command += [f"--{option}", str(getattr(arguments, option))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        replicas: dict[int, float] = {}
        over = threading.Event()
        try:
            wait_until_ready(arguments.port)
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'.encode()
            body = head + arguments.chip.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
            threading.Thread(target=count_replicas, args=(replicas, over)).start()
            load(arguments.port, body, arguments.clients, 5)
            earlier, cpu_before = read_batches(arguments.port), read_cpu_seconds(server.pid)
            times, statuses, took = load(arguments.port, body, arguments.clients, arguments.seconds)
            tiles, passes = (now - then for now, then in zip(read_batches(arguments.port), earlier, strict=True))
            cpu = {kind: now - cpu_before[kind] for kind, now in read_cpu_seconds(server.pid).items()}
        finally:
            over.set()
            server.send_signal(signal.SIGINT)
            server.wait(60)
    after = measure_network(arguments.checkpoint, arguments.chip, 10)
    rate, percent = statuses.count(200) / took, statistics.quantiles(times, n=100)
    print(json.dumps({
        "cores": os.cpu_count(), "python": platform.python_version(),
        "clients": arguments.clients, "seconds": round(took, 1),
        "requests_per_s": round(rate, 1), "statuses": {str(s): statuses.count(s) for s in set(statuses)},
        "p50_ms": round(percent[49] * 1000), "p95_ms": round(percent[94] * 1000), "p99_ms": round(percent[98] * 1000),
        "cpu_ms_per_request": {kind: round(1000 * spent / len(statuses), 1) for kind, spent in cpu.items()},
        "replicas": replicas, "load": [round(each, 1) for each in os.getloadavg()],
        "mean_batch": round(tiles / max(passes, 1), 1), "directly_per_s": [round(before, 1), round(after, 1)],
        "share": round(rate / ((before + after) / 2), 2),
    }, indent=1))  # fmt: skip


def wait_until_ready(port: int) -> None:
    """Wait until the server is ready."""
    for _ in range(240):
        try:
            if request(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server did not become ready within two minutes")


def read_batches(port: int) -> tuple[float, float]:
    """Return the sum and the count of batch sizes so far; each request reports the batch that it was in."""
    lines = dict(
        line.rsplit(" ", 1) for line in request(port, "GET", "/metrics")[1].decode().splitlines() if line[0] != "#"
    )
    return float(lines["instageo_batch_tiles_sum"]), float(lines["instageo_batch_tiles_count"])


if __name__ == "__main__":
    main()
