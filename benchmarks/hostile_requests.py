"""Malformed HTTP requests and mutated GeoTIFFs, drawn at random from a seed."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from benchmarks.watched_server import BOUNDARY, form

PATHS = (
    "/v1/predict", "/v1/predict/batch", "/v1/predict/show", "/v1/models", "/v1/models/m", "/v1/samples", "/healthz",
    "/readyz", "/metrics", "/openapi.json", "/v1/results/x/image/0/0/0.png", "/v1/results/x/prediction.tif", "/",
)  # fmt: skip

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "X", "post", "G\x00T", "")

TEXTS = (
    "", "\x00", "%00", "%ff%fe", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/vsicurl/http://127.0.0.1/", "é",
    "\ud83d",
    "-1", "1e999", "9" * 400, "NaN", "null", "[]", "{}", "' OR 1=1 --", "<script>", "${jndi:ldap://x}", "a" * 5000,
    "json", "tif", "exe", "true", "m", "http://127.0.0.1/", "file:///etc/passwd", "\r\nX-A: b", "a;b=c", "=&=&&",
)  # fmt: skip

HEADERS = (
    "Content-Length", "Transfer-Encoding", "Content-Type", "Host", "Origin", "Sec-Fetch-Site", "Authorization", "Range",
    "Accept", "Accept-Encoding", "Content-Encoding", "Expect", "Upgrade", "Connection", "Cookie", "X-Forwarded-For",
    "X-Request-ID", "X-Request-Timeout-Seconds", "X-Request-Disconnect-Disabled", "X-Session-ID",
    "serve_multiplexed_model_id", "traceparent", "If-None-Match", "Content-Disposition",
)  # fmt: skip

VALUES = (
    "0", "-1", "+5", "5, 5", "0x10", "1e3", "99999999999999999999", "chunked", "chunked, chunked", "gzip", "identity",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300,
    f"multipart/form-data; boundary={BOUNDARY}", "application/json", "application/x-www-form-urlencoded", "text/\xff",
    "localhost", "evil.example", "127.0.0.1:99999", "[::1", "null", "cross-site", "Bearer", "Bearer \xff", "bytes=0-",
    "bytes=9-1", "100-continue", "websocket", "h2c", "close", "keep-alive, Upgrade", "?1", "\xff\xfe", "\t", "",
)  # fmt: skip

INTERESTING = (0, 1, 2, 3, 7, 8, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""Numbers that replace those of a TIFF's directory."""


def malformed_request(rng: random.Random, image: bytes) -> bytes:
    """Return the bytes of a request that is wrong in one or more ways.

    Args:
        rng: Source of randomness.
        image: A good image, for requests of which another part is wrong.
    """
    kinds: tuple[Callable[[random.Random, bytes], bytes], ...] = (
        _wrong_line, _wrong_headers, _wrong_form, _wrong_chunks, _wrong_parameters, _flipped,
    )  # fmt: skip
    return rng.choice(kinds)(rng, image)


def mutated_tiff(rng: random.Random, images: list[bytes]) -> bytes:
    """Return a GeoTIFF with wrong bytes, tags, or size."""
    content = bytearray(rng.choice(images))
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(content[: rng.randrange(len(content))])
    if kind == 1:
        _flip(rng, content, len(content))
    elif kind == 2:
        _flip(rng, content, 600)
    elif kind == 3:
        start = rng.randrange(len(content))
        content[start:start] = rng.randbytes(rng.randrange(1, 200))
    else:
        for _ in range(rng.randrange(1, 4)):
            _change_tag(rng, content)
    return bytes(content)


def good_images(folder: Path, side: int = 64, layers: int = 6) -> list[bytes]:
    """Return GeoTIFFs of noise: strips and tiles, compressed or not, of whole and real numbers."""
    values = np.random.default_rng(0).integers(0, 3000, (layers, side, side))
    profile = {"driver": "GTiff", "count": layers, "height": side, "width": side, "crs": "EPSG:32614"}
    profile["transform"] = Affine(30, 0, 500_000, 0, -30, 4_000_000)
    contents = []
    variants: tuple[tuple[str, dict[str, Any]], ...] = (
        ("int16", {}), ("uint16", {"compress": "deflate"}), ("float32", {"compress": "lzw"}),
        ("int16", {"tiled": True, "blockxsize": 32, "blockysize": 32}), ("int16", {"BIGTIFF": "YES"}),
    )  # fmt: skip
    for number, (dtype, options) in enumerate(variants):
        path = folder / f"{number}.tif"
        with rasterio.open(path, "w", dtype=dtype, **profile, **options) as target:
            target.write(values.astype(dtype))
        contents.append(path.read_bytes())
    return contents


def _wrong_line(rng: random.Random, _: bytes) -> bytes:
    version = rng.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "", "http/1.1", "HTTP/1.1 x"])
    target = rng.choice(PATHS) + rng.choice(["", "/", "?", "/x?"]) + rng.choice(TEXTS)
    return _encode(f"{rng.choice(METHODS)} {target} {version}\r\nHost: localhost\r\n\r\n")


def _wrong_headers(rng: random.Random, image: bytes) -> bytes:
    headers = [(rng.choice(HEADERS), rng.choice(VALUES)) for _ in range(rng.randrange(1, 6))]
    lines = "".join(f"{name}{rng.choice([':', ': ', ' :'])}{value}\r\n" for name, value in headers)
    host = rng.choice(["Host: localhost\r\n", ""])
    return _encode(f"{rng.choice(METHODS[:6])} {rng.choice(PATHS)} HTTP/1.1\r\n{host}{lines}\r\n") + form(image)


def _wrong_form(rng: random.Random, image: bytes) -> bytes:
    parts = []
    for _ in range(rng.choice([0, 1, 2, 3, 40, 1200])):
        name = rng.choice(["file", "files", "url", "sample", "model", *TEXTS])
        file = rng.choice(["", '; filename="a.tif"', f'; filename="{rng.choice(TEXTS)}"', "; filename*=UTF-8''%ff"])
        head = rng.choice(
            ['Content-Disposition: form-data; name="{}"{}', "Content-Disposition: {}{}", "{}{}", "X: {}{}"]
        )
        content = rng.choice([b"", b"x", rng.randbytes(50), image])
        parts.append(_encode(f"--{BOUNDARY}\r\n{head.format(name, file)}\r\n\r\n") + content[: 50_000 // 40] + b"\r\n")
    body = b"".join(parts) + rng.choice([f"--{BOUNDARY}--\r\n".encode(), b"", b"--x--", f"--{BOUNDARY}".encode()])
    kind = rng.choice([VALUES[14], VALUES[14], *VALUES[11:18]])
    length = len(body) + rng.choice([0, 0, 0, 1, -1, 1000])
    head_text = f"POST {rng.choice(PATHS[:3])} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return _encode(f"{head_text}Content-Length: {max(length, 0)}\r\n\r\n") + body


def _wrong_chunks(rng: random.Random, image: bytes) -> bytes:
    body, data = b"", form(image)
    while data:
        size = rng.randrange(1, 9000)
        shown = size if rng.random() < 0.9 else rng.choice([0, size + 3, 2**70])
        body += rng.choice([b"%x\r\n", b"%X;a=b\r\n", b"%x\n"]) % shown + data[:size] + b"\r\n"
        data = data[size:]
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    head = f"POST {rng.choice(PATHS[:3])} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nTransfer-Encoding: chunked\r\n"
    return (
        _encode(head + rng.choice(["", "Content-Length: 5\r\n"]) + "\r\n")
        + body
        + rng.choice([b"0\r\n\r\n", b"0", b""])
    )


def _wrong_parameters(rng: random.Random, image: bytes) -> bytes:
    names = ("model", "format", "probabilities", "url", *TEXTS[:6])
    query = "&".join(f"{rng.choice(names)}={rng.choice(TEXTS)}".replace(" ", "+") for _ in range(rng.randrange(1, 5)))
    path = rng.choice([*PATHS, f"/v1/models/{rng.choice(TEXTS)}", f"/v1/results/{rng.choice(TEXTS)}/image/9/9/9.png"])
    body = form(image) if rng.random() < 0.3 else rng.choice(TEXTS).encode("utf-8", "replace")
    kind = rng.choice([f"multipart/form-data; boundary={BOUNDARY}", "application/json", "text/plain"])
    target = f"{path.replace(' ', '+')}?{query}".replace("\r", "").replace("\n", "")
    head = f"{rng.choice(['GET', 'POST'])} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return _encode(f"{head}Content-Length: {len(body)}\r\n\r\n") + body


def _flipped(rng: random.Random, image: bytes) -> bytes:
    body = form(image)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    content = bytearray(head.encode() + body)
    _flip(rng, content, len(head) + 120)
    return bytes(content)


def _flip(rng: random.Random, content: bytearray, end: int) -> None:
    """Replace up to ten bytes before `end`."""
    for _ in range(rng.randrange(1, 10)):
        content[rng.randrange(min(end, len(content)))] = rng.randrange(256)


def _change_tag(rng: random.Random, content: bytearray) -> None:
    """Replace a tag, its type, number of values, or value in the first directory of a TIFF or BigTIFF."""
    big = content[2] == 43
    start = struct.unpack_from("<Q" if big else "<I", content, 8 if big else 4)[0]
    head, size = (8, 20) if big else (2, 12)
    count = struct.unpack_from("<Q" if big else "<H", content, start)[0] if start + head < len(content) else 0
    if not 0 < count < 100 or start + head + count * size > len(content):  # an earlier change has moved it
        return
    entry = start + head + rng.randrange(count) * size
    offset, code = rng.choice([(0, "<H"), (2, "<H"), (4, "<I"), (size - (8 if big else 4), "<I"), (size - 4, "<I")])
    value = rng.choice(INTERESTING)
    struct.pack_into(code, content, entry + offset, value & 0xFFFF if code == "<H" else value)


def _encode(text: str) -> bytes:
    """Return one byte for each character up to ÿ, as HTTP has it, and UTF-8 for others."""
    return b"".join(character.encode("latin-1" if character <= "\xff" else "utf-8", "replace") for character in text)
