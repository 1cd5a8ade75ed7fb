"""Emulators of object stores on loopback for tests, each behind a proxy that can make requests fail.

Neither emulator keeps the conditions of writes (`If-Match` and the like) when requests overlap, and Google's sends no
ETag, time or generation. So the proxy passes writes on one at a time; for Google it also checks their conditions and
adds those headers, from the emulator's own record of each object.
"""

import http.client
import json
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

BUCKET = "models"


@dataclass
class Faults:
    """Failures to produce; each number counts down as failures happen."""

    busy: int = 0  # requests that get 503
    denied: bool = False  # all requests get 403
    cuts: list[int] = field(default_factory=list)  # total bytes of bodies after which the connection breaks, once each
    corrupted: int = 0  # bodies with a wrong byte
    sent: int = 0  # bytes of bodies so far
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self):
        self.busy, self.denied, self.cuts, self.corrupted, self.sent, self.requests = 0, False, [], 0, 0, []

    def count_down(self, name):
        """Return whether the next failure of that name is due."""
        with self.lock:
            due = getattr(self, name) > 0
            setattr(self, name, getattr(self, name) - due)
            return due


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and content, two packets, are 40 ms apart
    faults: Faults
    upstream: str
    is_google = False
    one_at_a_time: threading.Lock

    def log_message(self, *_):
        pass

    def handle_any(self):
        faults = self.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with faults.lock:
            faults.requests.append((self.command, self.path))
        if faults.denied:
            return self.reply(403, {}, b"")
        if faults.count_down("busy"):
            return self.reply(503, {}, b"")
        # Google's reads, too, so that the content and its generation belong together.
        with self.one_at_a_time if self.is_google or self.command in ("PUT", "POST", "DELETE") else nullcontext():
            response = self.put_to_google(body) if self.is_google and self.command == "PUT" else self.ask(body)
        return self.reply(*response)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

    def put_to_google(self, body):
        expected = self.headers.get("x-goog-if-generation-match")
        existing = self.google_object()
        if expected is not None and expected != (existing["generation"] if existing else "0"):
            return 412, {}, b""
        return self.ask(body)

    def ask(self, body):
        """Return status, headers, body, and for HEAD the size of the object."""
        if self.is_google and self.command == "HEAD":
            existing = self.google_object()
            return 200 if existing else 404, google_headers(existing), b"", int(existing["size"]) if existing else 0
        skipped = ("host", "connection", "transfer-encoding")
        headers = {key: value for key, value in self.headers.items() if key.lower() not in skipped}
        status, headers, content = request(self.upstream, self.command, self.path, body, headers)
        if self.is_google:
            headers |= google_headers(self.google_object())
        size = int(headers["Content-Length"]) if self.command == "HEAD" else None
        if self.command == "GET" and status < 300 and content and self.faults.count_down("corrupted"):
            content = bytes([content[0] ^ 1]) + content[1:]
        return status, headers, content, size

    def google_object(self):
        _, bucket, path = unquote(urlsplit(self.path).path).split("/", 2)
        status, _, content = request(self.upstream, "GET", f"/storage/v1/b/{bucket}/o/{quote(path, safe='')}", b"", {})
        return json.loads(content) if status == 200 else None

    def reply(self, status, headers, content, size=None):
        self.send_response(status)
        kept = {key: value for key, value in headers.items() if key.lower() not in ("content-length", "connection")}
        for key, value in (kept | {"Content-Length": str(len(content) if size is None else size)}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send(content)

    def send(self, content):
        faults = self.faults
        with faults.lock:
            allowed = faults.cuts[0] - faults.sent if faults.cuts else len(content)
            cut = allowed < len(content)
            faults.sent += min(allowed, len(content))
            if cut:
                faults.cuts.pop(0)
        self.wfile.write(content[:allowed] if cut else content)
        if cut:
            self.close_connection = True


def google_headers(existing):
    if not existing:
        return {}
    generation = existing["generation"]
    return {
        "ETag": f'"{generation}"',
        "x-goog-generation": generation,
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    }


def request(upstream, method, path, body, headers):
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=30)
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


@contextmanager
def proxied(upstream, *, is_google=False):
    """Run a proxy in front of a server; yield its URL and the faults to set."""
    faults = Faults()
    own = {"faults": faults, "upstream": upstream, "is_google": is_google, "one_at_a_time": threading.Lock()}
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
    """Run S3's API with an empty bucket; yield its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        request(f"http://{host}:{port}", "POST", "/moto-api/reset", b"", {})
        request(f"http://{host}:{port}", "PUT", f"/{BUCKET}", b"", {})
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def google():
    """Run Google's storage API with an empty bucket; yield its URL."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        yield f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    finally:
        server.stop()
