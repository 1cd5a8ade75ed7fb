"""Real APIs of stores on loopback for tests, each behind a proxy that can make them fail.

The emulator of Google's API takes and gives objects, but sends no ETag, time or generation with them and keeps no
conditions. The proxy adds both from the emulator's own record of each object.
"""

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

BUCKET = "models"


@dataclass
class Faults:
    """What goes wrong; each number counts down as it happens."""

    busy: int = 0  # requests that are answered 503
    refused: bool = False  # all are answered 403
    cuts: list[int] = field(
        default_factory=list
    )  # after so many bytes of bodies in all the connection breaks, once each
    wrong: int = 0  # bodies that come with another byte
    sent: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults
    upstream: str
    google = False
    writing: threading.Lock

    def log_message(self, *_):
        pass

    def handle_any(self):
        faults = self.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with faults.lock:
            faults.requests.append((self.command, self.path))
            busy = faults.busy > 0
            faults.busy -= busy
        if faults.refused or busy:
            return self.reply(403 if faults.refused else 503, {}, b"")
        if self.google:  # one at a time, so that content and generation belong together
            with self.writing:
                return self.put_if_generation_matches(body) if self.command == "PUT" else self.pass_on(body)
        return self.pass_on(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

    def put_if_generation_matches(self, body):
        wanted = self.headers.get("x-goog-if-generation-match")
        known = self.known()
        if wanted is not None and wanted != (known["generation"] if known else "0"):
            return self.reply(412, {}, b"")
        return self.pass_on(body)

    def pass_on(self, body):
        if self.google and self.command == "HEAD":
            known = self.known()
            return self.reply(200 if known else 404, self.told(known), b"", int(known["size"]) if known else 0)
        skipped = ("host", "connection", "transfer-encoding")
        headers = {key: value for key, value in self.headers.items() if key.lower() not in skipped}
        status, told, content = ask(self.upstream, self.command, self.path, body, headers)
        if self.google:
            told |= self.told(self.known())
        size = int(told["Content-Length"]) if self.command == "HEAD" else None
        if self.command == "GET" and status < 300 and content and self.faults.wrong > 0:
            self.faults.wrong -= 1
            content = bytes([content[0] ^ 1]) + content[1:]
        return self.reply(status, told, content, size)

    def known(self):
        _, bucket, path = unquote(urlsplit(self.path).path).split("/", 2)
        status, _, content = ask(self.upstream, "GET", f"/storage/v1/b/{bucket}/o/{quote(path, safe='')}", b"", {})
        return json.loads(content) if status == 200 else None

    @staticmethod
    def told(known):
        if not known:
            return {}
        generation = known["generation"]
        return {"ETag": f'"{generation}"', "x-goog-generation": generation,
                "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}  # fmt: skip

    def reply(self, status, headers, content, size=None):
        self.send_response(status)
        own = {key: value for key, value in headers.items() if key.lower() not in ("content-length", "connection")}
        for key, value in (own | {"Content-Length": str(len(content) if size is None else size)}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send(content)

    def send(self, content):
        faults = self.faults
        with faults.lock:
            room = faults.cuts[0] - faults.sent if faults.cuts else len(content)
            cut = room < len(content)
            faults.sent += min(room, len(content))
            if cut:
                faults.cuts.pop(0)
        self.wfile.write(content[:room] if cut else content)
        if cut:
            self.close_connection = True


def ask(upstream, method, path, body, headers):
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=30)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@contextmanager
def proxied(upstream, *, google=False):
    """A proxy in front of a server; gives its URL and the faults to set."""
    faults = Faults()
    own = {"faults": faults, "upstream": upstream, "google": google, "writing": threading.Lock()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnProxy", (Proxy,), own))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", faults
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def amazon():
    """S3's API with an empty bucket; gives its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        ask(f"http://{host}:{port}", "POST", "/moto-api/reset", b"", {})
        ask(f"http://{host}:{port}", "PUT", f"/{BUCKET}", b"", {})
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def google():
    """Google's storage API with an empty bucket; gives its URL."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        yield f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    finally:
        server.stop()
