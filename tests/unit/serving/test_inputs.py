"""Images that are fetched by URL."""

import socket
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import rasterio

from instageo.serving.access.admission import Place
from instageo.serving.errors import HTTPProblem
from instageo.serving.inputs import _connect, check_image, fetch_url, is_public_address
from instageo.serving.settings import RequestLimits


@pytest.fixture
def site():
    """A web server of this machine: /file has a file, /on redirects to it, /away elsewhere, /round to itself."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            location = {"/away": "http://10.0.0.1/", "/round": "/round", "/on": "/file"}.get(self.path)
            self.send_response(302 if location else 200 if self.path == "/file" else 404)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            if self.path == "/file":
                self.wfile.write(b"x" * 2_000_000)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ALLOWED = RequestLimits(allow_urls=True, allow_private_urls=True)


def test_an_image_is_fetched(site, tmp_path):
    fetch_url(f"{site}/on", tmp_path / "image.tif", ALLOWED)
    assert (tmp_path / "image.tif").read_bytes() == b"x" * 2_000_000


@pytest.mark.parametrize(
    ("path", "limits", "status", "message"),
    [
        ("/file", RequestLimits(allow_urls=True, allow_private_urls=True, upload_mb=1), 413, "larger than 1 MB"),
        ("/none", ALLOWED, 422, "returned the status 404"),
        ("/round", ALLOWED, 422, "redirects more than 3 times"),
        ("/file", RequestLimits(allow_urls=True), 403, "private network"),
        ("/file", RequestLimits(), 403, "does not accept URLs"),
    ],
)
def test_urls_beyond_the_limits_are_refused(site, tmp_path, path, limits, status, message):
    with pytest.raises(HTTPProblem, match=message) as caught:
        fetch_url(f"{site}{path}", tmp_path / "image.tif", limits)
    assert caught.value.status == status


def test_a_redirect_into_a_private_network_is_not_followed(site, tmp_path, monkeypatch):
    from instageo.serving import inputs

    real = inputs.ipaddress.ip_address
    monkeypatch.setattr(inputs.ipaddress, "ip_address", lambda text: real("1.1.1.1" if text == "127.0.0.1" else text))
    with pytest.raises(HTTPProblem, match="private network"):
        fetch_url(f"{site}/away", tmp_path / "image.tif", RequestLimits(allow_urls=True))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "0.0.0.0", "224.0.0.1", "::1", "fd00:ec2::254", "fe80::1%eth0", "::ffff:169.254.169.254",
        "::ffff:168.63.129.16", "64:ff9b::a9fe:a9fe", "64:ff9b::a83f:8110", "2002:a9fe:a9fe::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_of_the_machine_its_network_and_its_cloud(address):
    assert not is_public_address(address)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("dtype", ["complex_int16", "complex64", "complex128"])
def test_complex_images_are_one_422(tmp_path, dtype):
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", dtype=dtype, count=2, height=8, width=8):
        pass
    with pytest.raises(HTTPProblem, match=rf"the image: has complex values \({dtype}\)") as caught:
        check_image(tmp_path / "a.tif", RequestLimits())
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("path", "requested"), [("/größe.tif?a=ü", "/gr%C3%B6%C3%9Fe.tif?a=%C3%BC"), ("/a%20b", "/a%20b")]
)
def test_urls_with_any_letters_are_encoded(path, requested):
    assert _connect(f"http://127.0.0.1{path}", RequestLimits(allow_private_urls=True))[1] == requested


@contextmanager
def dribble(head):
    """A site that sends this head at once, and then a byte every 20 ms without end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            with suppress(OSError):
                client, _ = listening.accept()
                with client:
                    client.sendall(head)
                    while True:
                        client.sendall(b"x")
                        time.sleep(0.02)

        Thread(target=answer, daemon=True).start()
        yield f"://127.0.0.1:{listening.getsockname()[1]}/a.tif"


@pytest.mark.parametrize(
    "url",
    [
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"),  # a body
        ("http", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),  # one without a length
        ("http", b"HTTP/1.1 200 OK\r\nX-A: "),  # a header
        ("http", b""),  # a first line
        ("https", b"\x16\x03\x03\x40\x00"),  # a handshake
    ],
)
def test_an_answer_that_comes_bytewise_ends_at_the_deadline(tmp_path, url):
    scheme, head = url
    with dribble(head) as site, pytest.raises(HTTPProblem, match="did not arrive within the time limit") as caught:
        fetch_url(scheme + site, tmp_path / "a.tif", ALLOWED, Place(lambda: None, time.monotonic() + 0.5))
    assert caught.value.status == 504


def test_a_transfer_ends_when_the_client_has_gone(tmp_path):
    place = Place(lambda: None, time.monotonic() + 600)
    place.abandoned.set()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"
    with dribble(head) as site, pytest.raises(HTTPProblem):
        fetch_url(f"http{site}", tmp_path / "a.tif", ALLOWED, place)
