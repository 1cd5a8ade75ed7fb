"""An HTTP file server for tests, in a process of its own: rasterio may hold Python's lock while it waits for one."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from tests import server_process


class Handler(server_process.Replying, BaseHTTPRequestHandler):
    """Serves files below `root` whole or in ranges.

    Below a folder `denied` every request gets 403; below `busy` the first request for each path gets 503; files in
    a folder `plain` have no ETag; `/requests` lists the requests so far.
    """

    root, delay_s = Path(), 0.0
    requests: tuple[list[str], ...] = ()
    lock = threading.Lock()

    def do_GET(self):
        time.sleep(self.delay_s)
        path = unquote(self.path.partition("?")[0])
        if path == "/requests":
            return self.reply(200, json.dumps(self.requests).encode())
        with self.lock:
            first = all(other[1] != self.path for other in self.requests)
            Handler.requests = (*self.requests, [self.command, self.path])
        file = self.root / path.lstrip("/")
        if "/denied/" in path:
            return self.reply(403)
        if "/busy/" in path and first:
            return self.reply(503)
        return self.serve(file) if file.is_file() else self.reply(404)

    do_HEAD = do_GET  # noqa: N815

    def serve(self, file):
        content = file.read_bytes()
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers = {"ETag": f'"{file.stat().st_mtime_ns}"', "Accept-Ranges": "bytes"}
        if file.parent.name == "plain":
            del headers["ETag"]
        if not byte_range:
            return self.reply(200, content, **headers)
        start, end = int(byte_range[1]), min(int(byte_range[2] or len(content)), len(content) - 1)
        return self.reply(
            206, content[start : end + 1], **{"Content-Range": f"bytes {start}-{end}/{len(content)}"}, **headers
        )


def running(root, delay_s=0.0):
    """Serve a folder, with a delay before each response; the context is the port."""
    return server_process.running("tests.http_server", root, delay_s)


def requests(port):
    """Return method and path of each request so far."""
    return server_process.ask(port, "requests")


if __name__ == "__main__":
    server_process.serve(Handler)
