"""HTTP servers in a process of their own, so that a test and its server do not share Python's lock."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

LIFETIME_S = 3600
"""Seconds after which a server ends by itself."""


class Replying:
    """What handlers share: they send responses; a request for the headers alone gets no content."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and content, two packets, are 40 ms apart

    def log_message(self, *_):
        pass

    def reply(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def running(module, root, delay_s=0.0):
    """Run a module that calls `serve` as a program, with a delay before each response, and yield the port."""
    command = [sys.executable, "-m", module, str(Path(root).absolute()), str(delay_s)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], **pipes) as process:
        yield int(process.stdout.readline())
        process.stdin.close()  # which ends the process


def ask(port, path):
    """Return what a server tells as JSON of itself."""
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/{path}", timeout=10) as response:
        return json.load(response)


def serve(handler):
    """Serve with a handler, whose attributes `root` and `delay_s` are those of `running`, until stdin is closed."""
    handler.root, handler.delay_s = Path(sys.argv[1]), float(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    for wait in (lambda: time.sleep(LIFETIME_S), sys.stdin.read):  # whichever ends first
        threading.Thread(target=lambda wait=wait: (wait(), server.shutdown()), daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
