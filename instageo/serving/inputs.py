"""Images named by URL, fetched without being led into networks that the sender could not reach."""

import http.client
import ipaddress
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from instageo.errors import RasterError
from instageo.raster.cog import read_header
from instageo.serving.errors import HTTPProblem
from instageo.serving.settings import RequestLimits

REDIRECTS = 3
BLOCK = 1 << 20


def fetch_url(url: str, target: Path, limits: RequestLimits) -> None:
    """Write what a URL gives to a file.

    The name is resolved once, the address is looked at, and that very address is asked; so is that of a redirection.

    Raises:
        Refused: URLs are not taken, this one leads where it may not, or it gives nothing usable.
    """
    if not limits.fetch:
        raise HTTPProblem(403, "this server takes no URLs; send the file itself, or start it with --fetch")
    end = time.monotonic() + limits.fetch_s
    for _ in range(REDIRECTS + 1):
        following = _once(url, target, limits, end)
        if following is None:
            return
        url = urljoin(url, following)
    raise HTTPProblem(422, f"the URL redirects more than {REDIRECTS} times")


def _once(url: str, target: Path, limits: RequestLimits, end: float) -> str | None:
    """Fetch, or tell where to look instead."""
    connection, path = _connection(url, limits)
    try:
        connection.request("GET", path, headers={"User-Agent": "instageo", "Accept": "image/tiff, */*"})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return answer.headers.get("Location") or ""
        if answer.status != 200:
            raise HTTPProblem(422, f"the URL answers {answer.status}; expected 200 and a GeoTIFF")
        with target.open("wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                if file.tell() > limits.upload_mb * 1_000_000:
                    raise HTTPProblem(413, f"what the URL gives is larger than {limits.upload_mb} MB")
                if time.monotonic() > end:
                    raise HTTPProblem(422, f"the URL gave no whole file within {limits.fetch_s} s")
    except (OSError, http.client.HTTPException) as error:
        raise HTTPProblem(422, "the URL could not be fetched: no answer, or a broken one") from error
    finally:
        connection.close()
    return None


def _connection(url: str, limits: RequestLimits) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (ValueError, KeyError, UnicodeError, OSError, IndexError) as error:
        raise HTTPProblem(422, "the URL is none of http or https that leads to a host") from error
    if parts.username or parts.password:
        raise HTTPProblem(422, "the URL holds a user or password; expected none")
    address = str(found[4][0])
    if not limits.fetch_private and not ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise HTTPProblem(403, "the URL leads into a private network; this server fetches from public addresses alone")
    own: http.client.HTTPConnection = _Pinned(address, host, port, parts.scheme == "https", limits.fetch_s)
    return own, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever the name leads to meanwhile."""

    def __init__(self, address: str, host: str, port: int, secure: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.address, self.secure = address, secure

    def connect(self) -> None:
        """Connect to the address; the certificate is that of the name."""
        self.sock = socket.create_connection((self.address, self.port), self.timeout)
        if self.secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def check_image(path: Path, limits: RequestLimits) -> None:
    """Refuse what is no GeoTIFF, or larger than this server decodes.

    Raises:
        Refused: With 415 or 413.
    """
    if path.stat().st_size == 0:
        raise HTTPProblem(422, "the file is empty; expected a GeoTIFF")
    try:
        layers, rows, columns, wide = read_header(path)
    except RasterError as error:
        raise HTTPProblem(415, str(error)) from error
    pixels = rows * columns
    if pixels > limits.megapixels * 1_000_000:
        raise HTTPProblem(
            413, f"the image has {columns} x {rows} pixels; this server takes {limits.megapixels} million"
        )
    size = pixels * layers * max(wide, 4)
    if size > limits.decoded_mb * 1_000_000:
        raise HTTPProblem(413, f"the image has {size / 1e6:.0f} MB when decoded; this server takes {limits.decoded_mb}")
