"""Google Cloud Storage, Hugging Face and a web server with the files of a folder, for tests, in a process of its own.

Buckets are folders below `root`; listings have at most `PAGE` entries. Data sets at Hugging Face are folders
`hub/OWNER/NAME`; files that end in `.tgz` or `.gz` are stored as large files, with a sha256 in the listing and behind a
redirect. `/requests` lists method, path, sent bytes and first byte of a range of all requests.
"""

import json
import re
import threading
import time
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from tests import server_process

PAGE = 4

LARGE = (".tgz", ".gz")


class Handler(server_process.Replying, BaseHTTPRequestHandler):
    root, delay_s, log = Path(), 0.0, []
    lock = threading.Lock()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        path, query = unquote(path), {key: values[0] for key, values in parse_qs(query, True).items()}
        if path == "/requests":
            return self.reply(200, json.dumps(self.log).encode(), record=False)
        time.sleep(self.delay_s)
        if "list-type" in query:
            return self.list_bucket(path.strip("/"), query)
        hub = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)", path)
        if hub:
            return self.list_hub(hub[1])
        asked = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        if asked:
            path = f"/hub/{asked[1]}/{asked[2]}"
            if path.endswith(LARGE):
                return self.reply(302, Location=path)
        file = self.root / path.strip("/")
        return self.serve(file) if file.is_file() else self.reply(404)

    do_HEAD = do_GET  # noqa: N815

    def list_bucket(self, bucket, query):
        folder, prefix = self.root / bucket, query.get("prefix", "")
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        names = [name for name in names if name.startswith(prefix)]
        start = int(query.get("continuation-token", 0))
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{etag(folder / name)}"</ETag><Size>{(folder / name).stat().st_size}</Size></Contents>'
            for name in names[start : start + PAGE]
        )
        more = start + PAGE < len(names)
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        content = f"<ListBucketResult>{entries}<IsTruncated>{str(more).lower()}</IsTruncated>{token}</ListBucketResult>"
        return self.reply(200, content.encode())

    def list_hub(self, name):
        folder = self.root / "hub" / name
        if not folder.is_dir():
            return self.reply(404)
        return self.reply(200, json.dumps([hub_entry(file, folder) for file in sorted(folder.rglob("*"))]).encode())

    def serve(self, file):
        content = file.read_bytes()
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers = {
            "ETag": f'"{etag(file)}"',
            "Accept-Ranges": "bytes",
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        if not byte_range:
            return self.reply(200, content, **headers)
        start, end = int(byte_range[1]), min(int(byte_range[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return self.reply(206, content[start : end + 1], **headers)

    def reply(self, status, content=b"", *, record=True, **headers):
        if record:
            with self.lock:
                first = re.match(r"bytes=(\d+)", self.headers.get("Range", ""))
                size = len(content) if self.command == "GET" else 0
                self.log.append([self.command, self.path, size, int(first[1]) if first else None])
        super().reply(status, content, **headers)


def hub_entry(file, folder):
    path = file.relative_to(folder).as_posix()
    if file.is_dir():
        return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
    entry = {"type": "file", "path": path, "oid": etag(file), "size": file.stat().st_size}
    if path.endswith(LARGE):
        digest = sha256(file.read_bytes()).hexdigest()
        entry["lfs"] = {"oid": digest, "size": entry["size"], "pointerSize": 134}
    return entry


def etag(file):
    return sha1(file.read_bytes()).hexdigest()


def running(root, delay_s=0.0):
    """Serve a folder, with a delay before each response; the context is the port."""
    return server_process.running("tests.data_server", root, delay_s)


def requests(port):
    """Return method, path, sent bytes and first byte of a range, if one was asked for, of each request so far."""
    return server_process.ask(port, "requests")


if __name__ == "__main__":
    server_process.serve(Handler)
