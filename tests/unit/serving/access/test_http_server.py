"""The process that answers HTTP listens itself."""

import asyncio
import http.client
import socket
import threading
import time

import pytest

pytest.importorskip("ray", reason="the extra `serve` is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("httptools", reason="uvicorn has a limit of its own without httptools")

from instageo.errors import ConfigError  # noqa: E402
from instageo.serving.access import http_protocol  # noqa: E402
from instageo.serving.access.http_server import HTTPServer, listen  # noqa: E402
from instageo.serving.settings import ServerSettings  # noqa: E402
from tests.integration.servers import free_port  # noqa: E402

CANCELLED = threading.Event()


async def respond(scope, receive, send):
    """Respond with the path; to /slow only after a minute."""
    if scope["path"] == "/slow":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            CANCELLED.set()
            raise
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def server(monkeypatch):
    """The port of a server with this application."""
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    port = free_port()
    server = HTTPServer(respond, "127.0.0.1", port, timeout_s=60)
    assert server.running
    yield port
    server._server.should_exit = True
    server._thread.join(60)
    assert not server.running


def test_it_responds_and_bounds_heads(server, monkeypatch):
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=60)
    for path in ("/a", "/b"):
        connection.request("GET", path)
        assert connection.getresponse().read() == path.encode()
    connection.close()
    monkeypatch.setattr(http_protocol, "MAX_HEAD_S", 0.3)
    with socket.create_connection(("127.0.0.1", server), timeout=60) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_closes_its_connection_ends_its_work(server):
    CANCELLED.clear()
    with socket.create_connection(("127.0.0.1", server), timeout=60) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        assert not CANCELLED.is_set()
    assert CANCELLED.wait(30)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
def test_an_address_that_cannot_be_used_is_told_before_anything_starts():
    from instageo.serving.app import running_server

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1:{port} .*already in use.*another --port"),
            running_server(ServerSettings({"m": "registry:m"}), "127.0.0.1", port),
        ):
            pass
    with pytest.raises(ConfigError, match=r"cannot listen at 192.0.2.1:80 .*correct --host or --port"):
        listen("192.0.2.1", 80)
