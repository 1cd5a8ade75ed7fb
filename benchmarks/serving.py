"""A server under load: 16 clients for a minute on this machine alone, beside the same network called directly.

python benchmarks/serving.py CHECKPOINT CHIP [--seconds 60] [--clients 16] [--replicas 1] [--port 8790]

Prints requests per second, the time they took, the mean batch, what the network does by itself before and after, and
when further processes with networks came, in seconds of the load.
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
from http.client import HTTPConnection
from pathlib import Path

BOUNDARY = "instageo-benchmark"


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def directly(checkpoint: Path, chip: Path, seconds: float) -> float:
    """Chips per second of the network alone: batches of 16 normalised tiles, all cores."""
    code = """
import sys, time, torch
from instageo.model.predictor import load_model
from instageo.model.assemble import chip_format
from instageo.model.decoding import read_chip
p = load_model(sys.argv[1], device="cpu")
c = read_chip(sys.argv[2], chip_format(p.settings))
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
    """Times and statuses of all requests of a while, and how long it was."""
    times: list[float] = []
    statuses: list[int] = []
    began = time.monotonic()

    def client() -> None:
        while time.monotonic() - began < seconds:
            start = time.monotonic()
            statuses.append(ask(port, "POST", "/v1/predict?format=npy", body)[0])
            times.append(time.monotonic() - start)

    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    return times, statuses, time.monotonic() - began


def count_processes(found: dict[int, float], over: threading.Event) -> None:
    """Note when there are 1, 2, … processes with networks."""
    began = time.monotonic()
    while not over.wait(0.5):
        told = subprocess.run(["pgrep", "-fc", "^ray::ServeReplica:instageo:Networks"], capture_output=True, text=True)
        found.setdefault(int(told.stdout), round(time.monotonic() - began, 1))


def main() -> None:
    """Measure the network, the server, and the network again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("chip", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--port", type=int, default=8790)
    given = parser.parse_args()
    before = directly(given.checkpoint, given.chip, 10)
    command = [sys.executable, "-m", "instageo.cli", "serve", f"m={given.checkpoint}", "--port", str(given.port)]
    command += ["--replicas", str(given.replicas)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        processes: dict[int, float] = {}
        over = threading.Event()
        try:
            wait(given.port)
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'.encode()
            body = head + given.chip.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
            threading.Thread(target=count_processes, args=(processes, over)).start()
            load(given.port, body, given.clients, 5)
            old = batches(given.port)
            times, statuses, took = load(given.port, body, given.clients, given.seconds)
            tiles, passes = (now - then for now, then in zip(batches(given.port), old, strict=True))
        finally:
            over.set()
            server.send_signal(signal.SIGINT)
            server.wait(60)
    after = directly(given.checkpoint, given.chip, 10)
    rate, percent = statuses.count(200) / took, statistics.quantiles(times, n=100)
    print(json.dumps({
        "cores": os.cpu_count(), "python": platform.python_version(),
        "clients": given.clients, "seconds": round(took, 1),
        "requests_per_s": round(rate, 1), "statuses": {str(s): statuses.count(s) for s in set(statuses)},
        "p50_ms": round(percent[49] * 1000), "p95_ms": round(percent[94] * 1000), "p99_ms": round(percent[98] * 1000),
        "processes": processes,
        "mean_batch": round(tiles / max(passes, 1), 1), "directly_per_s": [round(before, 1), round(after, 1)],
        "share": round(rate / ((before + after) / 2), 2),
    }, indent=1))  # fmt: skip


def wait(port: int) -> None:
    """Until the server is ready."""
    for _ in range(240):
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server does not get ready")


def batches(port: int) -> tuple[float, float]:
    """Sum and count of batch sizes so far; each request reports the batch that it was in."""
    lines = dict(
        line.rsplit(" ", 1) for line in ask(port, "GET", "/metrics")[1].decode().splitlines() if line[0] != "#"
    )
    return float(lines["instageo_batch_tiles_sum"]), float(lines["instageo_batch_tiles_count"])


if __name__ == "__main__":
    main()
