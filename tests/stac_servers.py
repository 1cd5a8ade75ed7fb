"""Real STAC servers on loopback: `rustac serve` in memory, and stac-fastapi on a PostgreSQL of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from benchmarks.free_port import free_port

USER = "postgres"
"""Who runs PostgreSQL if the tests run as root, which it refuses."""


def collection_of(name, days):
    return {
        "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                   "temporal": {"interval": [[f"{days[0]}T00:00:00Z", f"{days[-1]}T23:59:59Z"]]}},
    }  # fmt: skip


@contextmanager
def _running(command, url, log, **options):
    """Run a server until the end of the block; wait until it answers."""
    with open(log, "wb") as output, subprocess.Popen(command, stdout=output, stderr=output, **options) as process:
        try:
            for _ in range(600):
                try:
                    build_opener(ProxyHandler({})).open(url, timeout=30).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        raise RuntimeError(log.read_text()[-2000:]) from None
                    time.sleep(0.2)
            yield url
        finally:
            process.terminate()


@contextmanager
def rustac_server(folder, records, days):
    """Serve records from memory: a catalogue that knows box, dates and pages only. Yields its URL."""
    program = Path(sys.executable).with_name("rustac")
    names = []
    for content in [*(collection_of(name, days) for name in {r["collection"] for r in records}), *records]:
        names.append(folder / f"{content['id']}.json")
        names[-1].write_text(json.dumps(content))
    address = f"127.0.0.1:{free_port()}"
    with _running([program, "serve", "-a", address, *names], f"http://{address}", folder / "rustac.log") as url:
        yield url


def why_no_pgstac():
    """Return why PostgreSQL with pgstac cannot run here; empty if it can."""
    programs = [name for name in ("initdb", "pg_ctl", "createdb") if _postgres(name) is None]
    if programs:
        return f"PostgreSQL is not installed ({', '.join(programs)})"
    control = list(Path("/usr").glob("**/extension/postgis.control"))
    return "" if control else "PostGIS is not installed"


def _postgres(name):
    places = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), os.environ["PATH"]]
    return shutil.which(name, path=os.pathsep.join(places))


@contextmanager
def pgstac_server(folder, records, days):
    """Serve records with stac-fastapi on a PostgreSQL of its own, and yield the URL."""
    port, root = free_port(), os.geteuid() == 0
    base = Path(f"/tmp/pgstac-{os.getpid()}-{port}")
    base.mkdir()
    if root:
        shutil.chown(base, USER)
    own = {"user": USER, "cwd": base, "env": {"PATH": os.environ["PATH"], "HOME": str(base)}} if root else {}

    def call(name, *arguments):
        with open(base / "log", "ab") as output:
            subprocess.run([_postgres(name), *arguments], check=True, stdout=output, stderr=output, **own)

    environment = os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres", "PGPASSWORD": "x", "PGDATABASE": "pgstac",
        "POSTGRES_USER": "postgres", "POSTGRES_PASS": "x", "POSTGRES_DBNAME": "pgstac", "POSTGRES_PORT": str(port),
        "POSTGRES_HOST": "127.0.0.1", "POSTGRES_HOST_READER": "127.0.0.1", "POSTGRES_HOST_WRITER": "127.0.0.1",
    }  # fmt: skip

    def load(*arguments):
        program = Path(sys.executable).with_name("pypgstac")
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    call("initdb", "-D", str(base / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C")
    options = f"-p {port} -k {base} -c listen_addresses=127.0.0.1 -c fsync=off"
    call("pg_ctl", "-D", str(base / "data"), "-o", options, "-l", str(base / "server.log"), "-w", "start")
    try:
        call("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "pgstac")
        load("migrate")
        collections = [collection_of(name, days) for name in sorted({record["collection"] for record in records})]
        for kind, contents in (("collections", collections), ("items", records)):
            path = folder / f"{kind}.ndjson"
            path.write_text("\n".join(map(json.dumps, contents)) + "\n")
            load("load", kind, str(path), "--method", "upsert")
        address = free_port()
        command = [sys.executable, "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app", "--factory",
                   "--host", "127.0.0.1", "--port", str(address)]  # fmt: skip
        with _running(command, f"http://127.0.0.1:{address}/", folder / "api.log", env=environment) as url:
            yield url
    finally:
        call("pg_ctl", "-D", str(base / "data"), "-m", "fast", "stop")
        shutil.rmtree(base, ignore_errors=True)
