"""Receive images: fetch them by URL, without access to private networks, and check them before they are decoded."""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from instageo.errors import PixelTypeError, RasterError
from instageo.raster.cog import TiffHeader, read_tiff_header
from instageo.serving.access.admission import POLL_S, Place
from instageo.serving.errors import HTTPProblem
from instageo.serving.settings import RequestLimits

MAX_REDIRECTS = 3
BLOCK_BYTES = 1 << 20

URL_CHARACTERS = "/%:@!$&'()*+,;=?~-._"
"""Characters that stay as they are in the path and the query of a URL."""

CLOUD_NETWORKS = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24")))
"""Where clouds offer services to their machines at addresses that may count as public: Azure's and Oracle's."""

NAT64 = ipaddress.ip_network("64:ff9b::/96")


def fetch_url(url: str, target: Path, limits: RequestLimits, slot: Place | None = None) -> None:
    """Write the content of a URL to a file.

    The host name is resolved once, its address is checked, and the connection is made to that very address; the same
    holds for each redirect.

    Args:
        url: The URL.
        target: The file.
        limits: Limits of requests.
        slot: That of the request, whose end also ends the transfer.

    Raises:
        HTTPProblem: URLs are not allowed (403), this one leads into a private network (403), its file is too large
            (413), it cannot be fetched (422), or it does not arrive in time (504).
    """
    if not limits.allow_urls:
        raise HTTPProblem(
            403, "this server does not accept URLs; send the file itself, or start the server with --allow-urls"
        )
    deadline = time.monotonic() + limits.url_timeout_s
    slot = slot or Place(lambda: None, deadline)
    deadline = min(deadline, slot.deadline)
    for _ in range(MAX_REDIRECTS + 1):
        location = _fetch_or_redirect(url, target, limits, deadline, slot)
        if location is None:
            return
        url = urljoin(url, location)
    raise HTTPProblem(422, f"the URL redirects more than {MAX_REDIRECTS} times")


def check_image(path: Path, limits: RequestLimits) -> TiffHeader:
    """Check that a file is a GeoTIFF within the limits, and return its size; its pixels are not read.

    Raises:
        HTTPProblem: The file is empty or has complex values (422), is not a GeoTIFF (415), or too large (413).
    """
    if path.stat().st_size == 0:
        raise HTTPProblem(422, "the file is empty; expected a GeoTIFF")
    try:
        header = read_tiff_header(path)
    except PixelTypeError as error:
        raise HTTPProblem(422, str(error)) from error
    except RasterError as error:
        raise HTTPProblem(415, str(error)) from error
    layers, rows, columns, value_bytes = header
    pixels = rows * columns
    if pixels > limits.megapixels * 1_000_000:
        raise HTTPProblem(413, f"the image has {columns} x {rows} pixels; the limit is {limits.megapixels} million")
    megabytes = pixels * layers * max(value_bytes, 4) / 1e6
    if megabytes > limits.decoded_mb:
        raise HTTPProblem(413, f"the image has {megabytes:.0f} MB when decoded; the limit is {limits.decoded_mb} MB")
    return header


def _fetch_or_redirect(url: str, target: Path, limits: RequestLimits, deadline: float, slot: Place) -> str | None:
    """Write the content of a URL to a file and return None, or return the location it redirects to."""
    connection, path = _connect(url, limits)
    connection.timeout = max(deadline - time.monotonic(), POLL_S)
    try:
        with _ended_at(deadline, connection, slot):
            connection.request("GET", path, headers={"User-Agent": "instageo", "Accept": "image/tiff, */*"})
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                return response.headers.get("Location") or ""
            if response.status != 200:
                raise HTTPProblem(422, f"the URL returned the status {response.status}; expected 200 and a GeoTIFF")
            _copy(response, target, limits.upload_mb)
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline:
            raise HTTPProblem(504, "the file at the URL did not arrive within the time limit of this server") from error
        raise HTTPProblem(422, "the URL could not be fetched: no response, or an incomplete one") from error
    finally:
        connection.close()
    if time.monotonic() >= deadline:  # a response without a length that was cut looks complete
        raise HTTPProblem(504, "the file at the URL did not arrive within the time limit of this server")
    slot.check()
    return None


def _copy(response: http.client.HTTPResponse, target: Path, limit_mb: int) -> None:
    with target.open("wb") as file:
        written = 0
        while block := response.read(BLOCK_BYTES):
            written += file.write(block)
            if written > limit_mb * 1_000_000:
                raise HTTPProblem(413, f"the file at the URL is larger than {limit_mb} MB")


@contextmanager
def _ended_at(deadline: float, connection: "_PinnedConnection", slot: Place) -> Iterator[None]:
    """End a connection, whatever it waits for, at the deadline or when the client of the request has gone.

    Time limits of sockets hold for each read, so that a byte a second would never exceed them.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if time.monotonic() >= deadline or slot.abandoned.is_set():
                return connection.abort()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _connect(url: str, limits: RequestLimits) -> "tuple[_PinnedConnection, str]":
    """Return a connection to the host of a URL, and the path to request."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (ValueError, KeyError, UnicodeError, OSError, IndexError) as error:
        raise HTTPProblem(422, "the URL cannot be used; expected http or https and the name of a known host") from error
    if parts.username or parts.password:
        raise HTTPProblem(422, "the URL contains a user name or a password; leave them out")
    address = str(resolved[4][0])
    if not limits.allow_private_urls and not is_public_address(address):
        raise HTTPProblem(403, "the URL leads into a private network; this server fetches only from public addresses")
    secure = parts.scheme == "https"
    connection = _PinnedConnection(address, host, port, secure=secure, timeout=limits.url_timeout_s)
    path = quote(parts.path or "/", safe=URL_CHARACTERS)
    return connection, path + (f"?{quote(parts.query, safe=URL_CHARACTERS)}" if parts.query else "")


def is_public_address(address: str) -> bool:
    """Return whether an IP address belongs to the public internet, and not to the network or the cloud of this machine.

    IPv6 addresses that stand for IPv4 ones (mapped, 6to4, Teredo, NAT64) are judged by these as well.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    embedded: list[ipaddress.IPv4Address | None] = []
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = [ip.ipv4_mapped, ip.sixtofour, ip.teredo[1] if ip.teredo else None]
        if ip in NAT64:
            embedded.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    candidates = [ip, *filter(None, embedded)]
    return all(
        each.is_global and not each.is_multicast and not any(each in network for network in CLOUD_NETWORKS)
        for each in candidates
    )


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to a given address, whatever the host name resolves to by then."""

    def __init__(self, address: str, host: str, port: int, *, secure: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.address, self.secure = address, secure
        self._connected: socket.socket | None = None  # http.client forgets its own when the response will end with it

    def connect(self) -> None:
        """Connect to the address; the certificate must be that of the host name."""
        self.sock = socket.create_connection((self.address, self.port), self.timeout)
        if self.secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self._connected = self.sock
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def abort(self) -> None:
        """End the connection while another thread waits for it, which gets an OSError or the end of the content."""
        if self._connected is not None:
            with suppress(OSError):  # it has ended
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)  # SSLSocket's would change the reader's state
