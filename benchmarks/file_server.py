"""Serve a folder with byte ranges, a delay and a log: by nginx where it is installed, else by the server of the tests.

nginx answers from one process of compiled code, so that a benchmark on the same cores measures its readers rather than
its server. Debian has it with the module that delays: `apt-get install nginx-extras`.
"""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.free_port import free_port
from tests import faulty_server

START_S = 10.0
"""Longest time that nginx may take until it accepts connections, seconds."""

CONFIG = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off;
master_process off;
pid {work}/pid;
error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work}; uwsgi_temp_path {work};
  scgi_temp_path {work};
  log_format sizes '{{"method": "$request_method", "path": "$uri", "bytes": $body_bytes_sent, "status": $status}}';
  access_log {work}/access.log sizes;
  keepalive_requests 1000000;
  sendfile on;
  server {{ listen 127.0.0.1:{port}; root {folder}; access_by_lua_block {{ ngx.sleep({delay_s}) }} }}
}}
"""


@dataclass(frozen=True)
class FileServer:
    """A running server.

    Attributes:
        name: The program that answers.
        port: Its port on 127.0.0.1.
        log_path: Log of nginx, one JSON object a request; None where the tests' server holds its own.
    """

    name: str
    port: int
    log_path: Path | None = None

    def transferred(self) -> tuple[int, int]:
        """Return the number of requests so far and the bytes of their answers, without HTTP headers."""
        if self.log_path is None:
            sizes = [entry[3] for entry in faulty_server.log(self.port)]
        else:
            lines = self.log_path.read_text(encoding="utf-8").splitlines()
            sizes = [json.loads(line)["bytes"] for line in lines]
        return len(sizes), sum(sizes)


@contextmanager
def running(folder: Path, delay_s: float = 0.0, *, compiled: bool = True) -> Iterator[FileServer]:
    """Serve a folder in a process of its own, every answer `delay_s` seconds late, while the block runs.

    Args:
        folder: Root of the paths.
        delay_s: Delay of each request, seconds; others are answered meanwhile.
        compiled: Whether to use nginx if it is installed with its Lua module.
    """
    modules = _nginx_modules() if compiled else None
    if modules is None:
        with faulty_server.running(folder, delay_s) as port:
            yield FileServer("Python", port)
        return
    with tempfile.TemporaryDirectory() as name:
        work, port = Path(name), free_port()
        config = CONFIG.format(modules=modules, work=work, port=port, folder=folder.absolute(), delay_s=delay_s)
        (work / "nginx.conf").write_text(config, encoding="utf-8")
        command = ["nginx", "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_until_open(port)
                yield FileServer("nginx", port, work / "access.log")
            finally:
                process.terminate()


def _nginx_modules() -> Path | None:
    """Return the folder of nginx's modules, None if nginx or its Lua module is not installed."""
    if shutil.which("nginx") is None:
        return None
    build = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"--modules-path=(\S+)", build)
    modules = Path(match[1]) if match else None
    return modules if modules and (modules / "ngx_http_lua_module.so").is_file() else None


def _wait_until_open(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
