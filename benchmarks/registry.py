"""How fast a model of 1 GiB comes from a store on this machine: pulled, and by the store's client alone.

python benchmarks/registry.py [--gib 1] [--rounds 5] [--stores folder,web,amazon]

Needs nginx. Each round does both in turn, in processes of their own.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr crit; worker_processes 1; events {{}}
http {{
    access_log off; sendfile on; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {folder}/store; }}
}}
"""

WORK = """
import json, resource, sys, time
from pathlib import Path
how, url, to, size, sha = sys.argv[1:]
from instageo.stores.base import split_url
from instageo.stores.download import DownloadRequest, download_files
from instageo.stores.open import open_store
root, name = split_url(url)
store = open_store(root)
began = time.perf_counter()
if how == "pull":
    download_files([DownloadRequest(url, Path(to), int(size), sha)])
elif hasattr(store, "client"):
    import obstore
    with open(to, "wb") as file:
        for block in obstore.get(store.client, name).stream(min_chunk_size=4 << 20):
            file.write(block)
else:
    store.download_to(name, Path(to))
took = time.perf_counter() - began
print(json.dumps({"s": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@contextmanager
def serving(folder: Path):  # noqa: ANN201
    """Nginx over the folder, for it takes little of the two cores; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder.parent / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder.parent, port=port))
    with subprocess.Popen(["nginx", "-c", str(settings)]) as server:
        time.sleep(1)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@contextmanager
def web(folder: Path):  # noqa: ANN201
    """A web server."""
    with serving(folder) as url:
        yield f"{url}/net.ckpt", {}


@contextmanager
def amazon(folder: Path):  # noqa: ANN201
    """S3's client, whose requests for objects are those of files; emulators read all of an object for each range."""
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "net.ckpt").hardlink_to(folder / "net.ckpt")
    with serving(folder) as url:
        keys = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        yield "s3://models/net.ckpt", keys


@contextmanager
def plain(folder: Path):  # noqa: ANN201
    """The folder itself."""
    yield str(folder / "net.ckpt"), {}


STORES = {"folder": plain, "web": web, "amazon": amazon}


def once(how: str, url: str, to: Path, proof: tuple[int, str], environment: dict[str, str]) -> dict[str, float]:
    """One transfer in a process of its own: seconds, and the most memory it held."""
    command = [sys.executable, "-c", WORK, how, url, str(to), str(proof[0]), proof[1]]
    found = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True, cwd=ROOT)
    to.unlink()
    return json.loads(found.stdout)


def main() -> None:
    """Make the file, then measure each store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stores", default=",".join(STORES))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        measure(folder, int(given.gib * 2**30), given.rounds, given.stores.split(","))
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, size: int, rounds: int, stores: list[str]) -> None:
    """Print a line for each store."""
    digest = hashlib.sha256()
    folder.chmod(0o755)  # nginx reads it as another user
    (folder / "store").mkdir()
    with (folder / "store" / "net.ckpt").open("wb") as file:
        for _ in range(size >> 22):
            block = os.urandom(1 << 22)
            digest.update(block)
            file.write(block)
    proof = ((size >> 22) << 22, digest.hexdigest())
    print(
        f"{proof[0] / 2**20:.0f} MiB, {os.cpu_count()} cores, Python {platform.python_version()}, medians of {rounds}"
    )
    print(
        "| store | client alone, MB/s | pull, MB/s | pull / alone, by round | memory of pull, MB |\n"
        "|---|---|---|---|---|"
    )
    for name in stores:
        with STORES[name](folder / "store") as (url, environment):
            pairs = []
            for _ in range(rounds):
                alone = once("alone", url, folder / "to.ckpt", proof, environment)
                pairs.append((alone, once("pull", url, folder / "to.ckpt", proof, environment)))
        ratios = sorted(alone["s"] / pull["s"] for alone, pull in pairs)
        rates = [statistics.median(proof[0] / 1e6 / pair[place]["s"] for pair in pairs) for place in (0, 1)]
        memory = max(pull["mb"] for _, pull in pairs)
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(f"| {name} | {rates[0]:.0f} | {rates[1]:.0f} | {spread} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
