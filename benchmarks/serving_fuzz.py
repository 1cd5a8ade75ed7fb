"""Send malformed requests and mutated GeoTIFFs to a server of this machine, and check that it only refuses them.

python -m benchmarks.serving_fuzz CHECKPOINT [--requests 2000] [--images 2000] [--seed 0] [--memory-mb 200]

The model must take six layers. Prints the statuses, tracebacks in the logs, and how much memory the process that
answers HTTP took; ends with status 1 if a response was a 5xx other than 503, a traceback was logged, or the memory grew
by more than --memory-mb and a fifth.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.hostile_requests import good_images, malformed_request, mutated_tiff
from benchmarks.watched_server import WatchedServer, form, watched_server

CLIENTS = 8

REPLY_S = 3
"""Seconds that a client waits for a response; one to an incomplete request never comes."""


def send_raw(port: int, content: bytes) -> int:
    """Send bytes; return the status of the first response, 0 if the connection ends or nothing comes for some time."""
    reply = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=REPLY_S) as client:
            client.sendall(content)
            while len(reply) < 12 and (part := client.recv(4096)):
                reply += part
    except OSError:  # closed, or waiting for more of an incomplete request
        return 0
    code = reply[9:12]
    return int(code) if code.isdigit() else 0


def fuzz(server: WatchedServer, seed: int, requests: int, images: int) -> dict[str, Counter[int]]:
    """Return how often each status was the response, to malformed requests and to mutated images."""
    with tempfile.TemporaryDirectory() as folder:
        good = good_images(Path(folder))

    def request(number: int) -> int:
        return send_raw(server.port, malformed_request(random.Random(f"request {seed} {number}"), good[1]))

    def image(number: int) -> int:
        body = form(mutated_tiff(random.Random(f"image {seed} {number}"), good))
        return server.request("POST", f"/v1/predict?format={'json' if number % 2 else 'tif'}", body)[0]

    with ThreadPoolExecutor(CLIENTS) as pool, server.watched():
        return {
            "requests": Counter(pool.map(request, range(requests))),
            "images": Counter(pool.map(image, range(images))),
        }


def main() -> None:
    """Run the fuzz, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory-mb", type=int, default=200)
    arguments = parser.parse_args()
    with watched_server(f"m={arguments.checkpoint}", "--memory-mb", str(arguments.memory_mb)) as server:
        before, began = server.memory_mb(), time.monotonic()
        statuses = fuzz(server, arguments.seed, arguments.requests, arguments.images)
        growth = server.most_mb - before["front"]
        report = {
            "seed": arguments.seed, "seconds": round(time.monotonic() - began),
            "statuses": {kind: {str(key): counts[key] for key in sorted(counts)} for kind, counts in statuses.items()},
            "front_mb": {"before": before["front"], "most": server.most_mb, "growth": growth},
            "alive": server.request("GET", "/healthz")[0] == 200, "tracebacks": server.tracebacks(),
        }  # fmt: skip
    print(json.dumps(report, indent=1))
    wrong = [code for counts in statuses.values() for code in counts if code >= 500 and code != 503]
    too_large = growth > 1.2 * arguments.memory_mb
    sys.exit(bool(wrong or report["tracebacks"] or too_large or not report["alive"]))


if __name__ == "__main__":
    main()
