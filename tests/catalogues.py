"""Catalogues for tests: a small STAC API, a file server with faults, and what gives tokens; all on loopback.

Pixels and records come from `tests.items`.
"""

import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Behaviour:
    """What a server does, and what it has been asked.

    Attributes:
        records: STAC records of the API.
        root: Folder of files.
        page_size: Largest number of items of a page.
        faults: Statuses (or 0 for a cut connection) of the next answers, taken from the front.
        retry_after: Header of refused answers; None for none.
        repeat: How often a page holds each item.
        conforms: Whether the landing page says what the API can do.
        delay_s: Wait before each answer.
        token_life_s: Life of tokens; files below /signed/ need one.
        truncated: Ends of the names of files that are cut after half their bytes.
        redirect: Start of the address that files below /moved/ are redirected to.
        log: Method, path with query, and body of each request.
        logins: Header Authorization of each request.
    """

    records: list = field(default_factory=list)
    root: Path = Path()
    page_size: int = 1000
    faults: list = field(default_factory=list)
    retry_after: str | None = None
    repeat: int = 1
    conforms: bool = True
    delay_s: float = 0.0
    token_life_s: float = 3600.0
    truncated: tuple = ()
    redirect: str = ""
    log: list = field(default_factory=list)
    logins: list = field(default_factory=list)
    tokens: dict = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    """Serves `/` (a STAC API), `/token/ACCOUNT/CONTAINER`, and files below `/files/` and `/signed/`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and content, two packets, are 40 ms apart

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.server.behaviour
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        time.sleep(state.delay_s)
        with state.lock:
            state.log.append((self.command, self.path, body))
            state.logins.append(self.headers.get("Authorization"))
            fault = state.faults.pop(0) if state.faults else None
        if fault == 0:
            self.close_connection = True
            return self.connection.close()
        if fault:
            return self.reply(fault, b"busy", **({"Retry-After": state.retry_after} if state.retry_after else {}))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        first, _, rest = unquote(parts.path).lstrip("/").partition("/")
        if first in ("files", "signed"):
            return self.serve(state, state.root / rest, query, signed=first == "signed")
        if first == "moved":
            return self.reply(302, Location=f"{state.redirect}/{rest}?X-Amz-Signature=abc")
        if first == "token":
            return self.token(state, rest)
        answer = {"": self.landing, "collections": self.collections, "search": self.search}.get(first)
        return self.json(answer(state, body or query)) if answer else self.reply(404)

    do_POST = do_HEAD = do_GET  # noqa: N815

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def landing(self, state, _):
        conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
        links = [{"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json", "method": method}
                 for method in ("GET", "POST")]  # fmt: skip
        page = {"type": "Catalog", "id": "test", "stac_version": "1.0.0", "description": "test", "links": links}
        return page | ({"conformsTo": conforms} if state.conforms else {})

    def collections(self, state, _):
        records = {}
        for name in sorted({record["collection"] for record in state.records}):
            days = sorted(r["properties"]["datetime"] for r in state.records if r["collection"] == name)
            records[name] = {
                "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other",
                "links": [], "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                                        "temporal": {"interval": [[days[0], days[-1]]]}},
            }  # fmt: skip
        return {"collections": list(records.values()), "links": []}

    def search(self, state, query):
        box, names = query.get("bbox"), query.get("collections")
        box = [float(x) for x in box.split(",")] if isinstance(box, str) else box
        names = names.split(",") if isinstance(names, str) else names
        begin, end = query["datetime"].split("/")
        found = [
            record for record in state.records
            if record["collection"] in names and begin <= record["properties"]["datetime"] <= end
            and record["bbox"][0] <= box[2] and record["bbox"][2] >= box[0]
            and record["bbox"][1] <= box[3] and record["bbox"][3] >= box[1]
        ]  # fmt: skip
        start, size = int(query.get("token") or 0), min(int(query.get("limit") or 10), state.page_size)
        page = {"type": "FeatureCollection", "features": found[start : start + size] * state.repeat, "links": []}
        if start + size < len(found):
            body = query | {"token": str(start + size)}
            page["links"] = [{"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}]
        return page

    def token(self, state, container):
        token = f"sig={container.replace('/', '-')}-{len(state.tokens)}"
        expiry = datetime.now(UTC) + timedelta(seconds=state.token_life_s)
        state.tokens[token] = time.monotonic() + state.token_life_s
        return self.json({"token": token, "msft:expiry": expiry.isoformat().replace("+00:00", "Z")})

    def serve(self, state, file, query, *, signed):
        if signed and time.monotonic() > state.tokens.get(f"sig={query.get('sig')}", 0):
            return self.reply(403)
        if not file.is_file():
            return self.reply(404)
        content = file.read_bytes()
        content = content[: len(content) // 2] if file.name.endswith(state.truncated) and state.truncated else content
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return self.reply(200, content, **{"Accept-Ranges": "bytes"})
        start, end = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
        if start > end:
            return self.reply(416)
        return self.reply(206, content[start : end + 1], **{"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    def json(self, value):
        return self.reply(200, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def reply(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serving(**behaviour):
    """Run a server in a thread, and yield its URL and its `Behaviour`, which may be changed while it runs.

    rasterio may hold Python's lock while it waits: tests that read pixels give the server a process of its own
    (`tests.http_server`), or read in a process of their own.
    """
    state = Behaviour(**behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.behaviour = True, state
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def searches(state):
    """Return the requests to /search."""
    return [entry for entry in state.log if entry[1].startswith("/search")]
