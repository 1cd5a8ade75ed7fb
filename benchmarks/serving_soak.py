"""Run a server under mixed clients for some minutes, and compare its memory and speed with those before.

python -m benchmarks.serving_soak CHECKPOINT [--seconds 600] [--quiet-seconds 60] [--memory-mb 1000]

The model must take six layers. All clients warm the server up. Then two good clients send one chip after the other
all the time: first by themselves, then beside a slow one (a form that comes bytewise), one that goes away while its
image is predicted, and hostile ones (a malformed request or a mutated GeoTIFF every second). Ends with status 1 if
the memory has grown by more than a tenth, the 99th percentile of the good clients is over three times that of the
quiet time, or one of their requests fails.
"""

import argparse
import json
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from benchmarks.hostile_requests import good_images, malformed_request, mutated_tiff
from benchmarks.serving_fuzz import send_raw
from benchmarks.watched_server import BOUNDARY, WatchedServer, form, form_begin, watched_server

PAUSE_S = 1.0
"""Seconds between two requests of a client that is not good."""

SETTLE_S = 15
"""Seconds after the load, before the memory is compared."""

HEAD = (
    "POST /v1/predict?format=json HTTP/1.1\r\nHost: localhost\r\n"
    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {{}}\r\n\r\n"
)


class Clients:
    """Clients of a server, which send requests until they are told to end.

    Attributes:
        seconds: Times of the good clients' requests.
        statuses: Statuses of the good clients' responses.
        others: How many requests of each other kind were sent.
    """

    def __init__(self, server: WatchedServer, images: list[bytes]) -> None:
        self.server, self.images = server, images
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.others: Counter[str] = Counter()
        self._over, self._random = threading.Event(), random.Random(0)

    def run(self, seconds: float, *kinds: Callable[[], None]) -> None:
        """Let one client of each kind send requests for some seconds."""
        self._over.clear()

        def repeat(send: Callable[[], None]) -> None:
            while not self._over.is_set():
                with suppress(OSError):  # the server has closed the connection
                    send()
                if send != self.good:
                    self.others[send.__name__] += 1
                    self._over.wait(PAUSE_S)

        with ThreadPoolExecutor(len(kinds)) as pool:
            running = [pool.submit(repeat, kind) for kind in kinds]
            time.sleep(seconds)
            self._over.set()
            for client in running:
                client.result()

    def good(self) -> None:
        """Send an image and wait for its prediction."""
        start = time.monotonic()
        self.statuses[self.server.request("POST", "/v1/predict?format=tif", form(self.images[1]))[0]] += 1
        self.seconds.append(time.monotonic() - start)

    def slow(self) -> None:
        """Send a form bytewise until the server ends it."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as client:
            client.sendall(HEAD.format(1000).encode() + form_begin())
            for _ in range(600):
                client.sendall(b"x")
                if self._over.wait(0.5):
                    return

    def abandoned(self) -> None:
        """Send an image of 4 million pixels, and go away."""
        body = form(self.images[-1])
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as client:
            client.sendall(HEAD.format(len(body)).encode() + body)
            self._over.wait(0.3)

    def malformed(self) -> None:
        """Send a malformed request."""
        send_raw(self.server.port, malformed_request(self._random, self.images[1]))

    def mutated(self) -> None:
        """Send a mutated image."""
        self.server.request("POST", "/v1/predict/show", form(mutated_tiff(self._random, self.images[:-1])))


def main() -> None:
    """Run the soak, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--warm-up-seconds", type=float, default=60)
    parser.add_argument("--quiet-seconds", type=float, default=60)
    parser.add_argument("--memory-mb", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = [*good_images(Path(folder)), good_images(Path(folder), side=2000)[1]]
    limits = ["--memory-mb", str(arguments.memory_mb), "--timeout-s", "60", "--results-mb", "10"]
    with watched_server(f"m={arguments.checkpoint}", *limits) as server:
        clients = Clients(server, images)
        others = clients.slow, clients.abandoned, clients.malformed, clients.mutated
        clients.run(arguments.warm_up_seconds, clients.good, clients.good, *others)  # until all memory is in use
        time.sleep(SETTLE_S)
        before, clients.seconds = server.memory_mb(), []
        clients.run(arguments.quiet_seconds, clients.good, clients.good)
        quiet, clients.seconds = percentile_99(clients.seconds), []
        with server.watched():
            clients.run(arguments.seconds, clients.good, clients.good, *others)
        time.sleep(SETTLE_S)
        after, busy = server.memory_mb(), percentile_99(clients.seconds)
        report = {
            "seconds": arguments.seconds, "good": dict(clients.statuses), "others": dict(clients.others),
            "p99_ms": {"quiet": round(quiet * 1000), "busy": round(busy * 1000), "times": round(busy / quiet, 2)},
            "memory_mb": {"before": before, "after": after, "most_front": server.most_mb},
            "tracebacks": server.tracebacks(),
        }  # fmt: skip
    print(json.dumps(report, indent=1))
    grown = any(after[name] > 1.1 * before[name] for name in ("front", "all"))
    sys.exit(bool(grown or busy > 3 * quiet or set(clients.statuses) != {200} or report["tracebacks"]))


def percentile_99(seconds: list[float]) -> float:
    """Return the time within which 99 % of requests had their response."""
    return statistics.quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    main()
