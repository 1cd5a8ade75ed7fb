"""A server whose memory and logs are watched, for the fuzz and the soak."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from benchmarks.free_port import free_port

FRONT = "ray::ServeReplica:instageo:FrontEnd"
"""Begin of the title of the process that answers HTTP."""

BOUNDARY = "instageo-benchmark"

START_S = 900
"""Seconds after which a server that has not started never will."""


class WatchedServer:
    """A running server.

    Attributes:
        port: Its port on loopback.
        process: Its main process.
        most_mb: Most memory of the process that answers HTTP since it was watched, MB.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], logs: Path) -> None:
        self.port, self.process, self.logs, self.most_mb = port, process, logs, 0.0

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of the process that answers HTTP, and of all processes, without what they share, MB.

        They share Ray's object store, whose pages count for each process that has used them, up to its fixed size.
        """
        front = total = shared = 0.0
        main = psutil.Process(self.process.pid)
        for process in [main, *main.children(recursive=True)]:
            with suppress(psutil.Error):  # it has ended
                memory, is_front = process.memory_info(), (process.cmdline() or [""])[0].startswith(FRONT)
                size = (memory.rss - memory.shared) / 1e6
                total += size
                front += size if is_front else 0
                shared += memory.shared / 1e6 if is_front else 0
        return {"front": round(front), "all": round(total), "shared_by_front": round(shared)}

    def front_process(self) -> int | None:
        """Return the ID of the process that answers HTTP; None while there is none."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if (process.cmdline() or [""])[0].startswith(FRONT):
                    return process.pid
        return None

    def tracebacks(self) -> list[str]:
        """Return all tracebacks in the logs of the server, of its processes, and of Ray Serve."""
        found = []
        for path in [self.logs / "server.log", *(self.logs / "ray" / "session_latest" / "logs").rglob("*.*")]:
            is_own = path.parent.name == "serve" or path.name.startswith(("worker", "server"))
            if is_own and path.is_file() and not path.is_symlink():
                text = path.read_text(errors="replace")
                found += [text[match.start() - 300 : match.start() + 8000] for match in re.finditer("Traceback", text)]
        return found

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 120) -> tuple[int, bytes]:
        """Send a request, and return the status and the content of the response; status 0 if there is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException):
            return 0, b""
        finally:
            connection.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Measure `most_mb` during this block."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                self.most_mb = max(self.most_mb, self.memory_mb()["front"])

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@contextmanager
def watched_server(*arguments: str, folder: Path | None = None, stop: int = signal.SIGINT) -> Iterator[WatchedServer]:
    """Run `instageo serve ARGUMENTS…` on a free port, ready.

    Args:
        arguments: Arguments of the command.
        folder: Folder for its logs and temporary files, with a short path since Ray has sockets in it; None for a new
            one that is removed.
        stop: Signal that ends it.
    """
    logs = folder or Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))
    port = free_port()
    command = [sys.executable, "-m", "instageo.cli", "serve", *arguments, "--port", str(port)]
    environment = os.environ | {"TMPDIR": str(logs), "RAY_TMPDIR": str(logs)}
    with (logs / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        server, deadline = WatchedServer(port, process, logs), time.monotonic() + START_S
        while server.request("GET", "/readyz")[0] != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server has not started: {(logs / 'server.log').read_text()[-500:]}")
            time.sleep(0.1)
        yield server
    finally:
        process.send_signal(stop)
        process.wait(START_S)
        if folder is None:
            shutil.rmtree(logs, ignore_errors=True)


def form_begin() -> bytes:
    """Return the body of a form up to the content of its file."""
    return form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def form(content: bytes, name: str = "file") -> bytes:
    """Return the body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.tif"\r\n\r\n'.encode()
    return head + content + f"\r\n--{BOUNDARY}--\r\n".encode()
