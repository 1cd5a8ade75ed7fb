"""An HTTP server of files with ranges, a log and faults, in a process of its own.

Faults by folder: `expired/` answers 403 unless the query holds `sig=new`; `flaky/` answers every fifth request with
503; `down/` answers 503 with `Retry-After: 0`; `later/` answers 503 with `Retry-After: 0` until the eighth request;
`cut/` ends the connection after the header of every fourth answer; `shaky/` answers every fifth request, to any file,
with 503 or 429 and `Retry-After: 0`, and cuts every twentieth; `signed/` answers 403 unless the query holds a token of
`/token/…` that has served fewer than 100 requests. A file that has another one beside it, named `….locked`, is refused;
while the folder of files holds one named `down`, every file answers 503 with `Retry-After: 0`.
"""

import json
import re
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests import server_process

FLAKY_EVERY, CUT_EVERY, BUSY_REQUESTS = 5, 4, 8
SHAKY_CUT_EVERY, TOKEN_USES = 20, 100


class Handler(BaseHTTPRequestHandler):
    """Serves files below `root`; `/log` lists method, path, first byte, bytes sent and status of each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and content, two packets, are 40 ms apart
    root, delay_s, log, counts, tokens = Path(), 0.0, [], Counter(), []
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/log":
            with self.lock:
                return self.reply(200, json.dumps(self.log).encode(), record=False)
        time.sleep(self.delay_s)
        with self.lock:
            self.counts[self.path] += 1
            own = self.counts[self.path]
            self.log.append(entry := [self.command, self.path, 0, 0, 0])
            self.counts["shaky"] += "/shaky/" in path
            shaky = self.counts["shaky"] if "/shaky/" in path else 1
            self.counts[query] += 1
            is_worn = self.counts[query] > TOKEN_USES or query not in self.tokens
        self.entry = entry
        if path.startswith("/token/"):
            return self.token()
        if shaky % FLAKY_EVERY == 0 and shaky % SHAKY_CUT_EVERY:
            return self.reply(503 if shaky % 2 else 429, **{"Retry-After": "0"})
        is_busy = (
            "/down/" in path
            or (self.root / "down").is_file()
            or ("/later/" in path and own <= BUSY_REQUESTS)
            or ("/flaky/" in path and own % FLAKY_EVERY == 0)
        )
        if is_busy:
            return self.reply(503, **{"Retry-After": "0"})
        if "/expired/" in path and "sig=new" not in query:
            return self.reply(403)
        file = self.root / re.sub(r"(shaky|signed)/", "", path.lstrip("/"))
        if ("/signed/" in path and is_worn) or file.with_name(f"{file.name}.locked").exists():
            return self.reply(403)
        if not file.is_file():
            return self.reply(404)
        return self.serve(file, cut=("/cut/" in path and own % CUT_EVERY == 0) or shaky % SHAKY_CUT_EVERY == 0)

    do_HEAD = do_GET  # noqa: N815

    def token(self):
        with self.lock:
            self.tokens.append(token := f"sig=secret{len(self.tokens)}")
        expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return self.reply(200, json.dumps({"token": token, "msft:expiry": expiry}).encode())

    def serve(self, file, cut):
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            content = file.read_bytes() if self.command == "GET" else None
            return self.reply(200, content or b"", cut=cut, **{"Accept-Ranges": "bytes"}, size=size)
        start, end = int(asked[1]), min(int(asked[2] or size), size - 1)
        if start >= size:
            return self.reply(416)
        self.entry[2] = start
        with file.open("rb") as source:
            source.seek(start)
            content = source.read(end + 1 - start)
        found = {"Content-Range": f"bytes {start}-{end}/{size}", "Accept-Ranges": "bytes"}
        return self.reply(206, content, cut=cut, **found)

    def reply(self, status, content=b"", cut=False, record=True, size=None, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(size or len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if record:
            self.entry[4] = status
        if cut:
            self.close_connection = True
        elif self.command == "GET":
            if record:
                self.entry[3] = len(content)
            self.wfile.write(content)


def running(root, delay_s=0.0):
    """Serve a folder, with a delay before each response; the context is the port."""
    return server_process.running("tests.faulty_server", root, delay_s)


def log(port):
    """Return method, path, first byte, bytes sent and status of each request so far."""
    return server_process.ask(port, "log")


if __name__ == "__main__":
    server_process.serve(Handler)
