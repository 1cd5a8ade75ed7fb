"""How fast a model of 1 GiB comes from a store on this machine: pulled, and by the store's client alone.

python benchmarks/registry.py [--gib 1] [--rounds 5] [--stores folder,web,amazon]

The servers are those of the tests, in processes of their own; `pip install` the group dev. Each round does both in turn.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]

SERVE_AMAZON = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

WORK = """
import json, resource, sys, time
from pathlib import Path
how, url, to, size, sha = sys.argv[1:]
from instageo.model.registry.stores import open_store, split
from instageo.model.registry.transfer import BLOCK, Wanted, download
place, name = split(url)
store = open_store(place)
began = time.perf_counter()
if how == "pull":
    download([Wanted(url, Path(to), int(size), sha)])
elif hasattr(store, "client"):
    import obstore
    with open(to, "wb") as file:
        for block in obstore.get(store.client, name).stream(min_chunk_size=BLOCK):
            file.write(block)
else:
    store.whole(name, Path(to))
took = time.perf_counter() - began
print(json.dumps({"s": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@contextmanager
def web(folder: Path):  # noqa: ANN201
    """A web server of files with ranges, from the tests."""
    sys.path.insert(0, str(ROOT))
    from tests import store

    with store.running(folder) as port:
        yield f"http://127.0.0.1:{port}/net.ckpt", {}


@contextmanager
def amazon(folder: Path):  # noqa: ANN201
    """S3's API with the file in a bucket."""
    command = [sys.executable, "-c", SERVE_AMAZON]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        keys = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        import boto3

        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                              aws_access_key_id="a", aws_secret_access_key="b")  # fmt: skip
        client.create_bucket(Bucket="models")
        client.upload_file(str(folder / "net.ckpt"), "models", "net.ckpt")
        yield "s3://models/net.ckpt", keys
        server.stdin.close()
        server.kill()


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
        "| store | client alone, MB/s | pull, MB/s | pull / alone, by round | memory of pull, MB |\n|---|---|---|---|---|"
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
