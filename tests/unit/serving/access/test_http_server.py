"""The process that answers HTTP listens itself."""

import asyncio
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("ray", reason="the extra `serve` is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("httptools", reason="uvicorn has a limit of its own without httptools")

from starlette.applications import Starlette  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from benchmarks.free_port import free_port  # noqa: E402
from instageo.errors import ConfigError  # noqa: E402
from instageo.serving.access import http_protocol, http_server  # noqa: E402
from instageo.serving.access.http_server import HTTPServer, listen  # noqa: E402
from instageo.serving.settings import ServerSettings  # noqa: E402

EVENTS = {name: threading.Event() for name in ("started", "cancelled", "stopped")}


@asynccontextmanager
async def lifespan(_):
    """Note when the application starts and stops."""
    EVENTS["started"].set()
    yield
    EVENTS["stopped"].set()


async def slow(_):
    """Respond after a minute."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        EVENTS["cancelled"].set()
        raise
    return Response()


async def path(request):
    """Respond with the path."""
    return Response(request.url.path)


def get(port, path):
    """Status, headers and content of a response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@pytest.fixture
def server(monkeypatch):
    """The port of a server with this application."""
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    for event in EVENTS.values():
        event.clear()
    port, routes = free_port(), [Route("/slow", slow), Route("/{name}", path)]
    server = HTTPServer(Starlette(routes=routes, lifespan=lifespan), "127.0.0.1", port, timeout_s=60)
    assert server.running
    assert EVENTS["started"].is_set()
    yield port
    assert not EVENTS["stopped"].is_set()
    server.stop()
    assert not server.running
    assert EVENTS["stopped"].is_set()


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
    with socket.create_connection(("127.0.0.1", server), timeout=60) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        assert not EVENTS["cancelled"].is_set()
    assert EVENTS["cancelled"].wait(30)


def test_requests_in_progress_get_some_seconds_when_the_server_stops_and_then_a_sentence(monkeypatch):
    monkeypatch.setattr(http_server, "STOP_S", 1)
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))

    async def quick(_):
        await asyncio.sleep(0.5)
        return Response("done")

    routes = [Route("/quick", quick), Route("/slow", slow)]
    own = HTTPServer(Starlette(routes=routes), "127.0.0.1", port := free_port(), timeout_s=60)
    with ThreadPoolExecutor() as pool:
        responses = [pool.submit(get, port, path) for path in ("/quick", "/slow")]
        time.sleep(0.2)
        own.stop()
        (quick_status, _, content), (status, headers, problem) = (each.result() for each in responses)
    assert (quick_status, content) == (200, b"done")
    assert (status, headers["retry-after"]) == (503, "10")
    assert json.loads(problem)["detail"] == "the server is stopping; try again later"
    assert not own.running


def test_an_application_that_does_not_start_is_an_error():
    @asynccontextmanager
    async def fails(_):
        raise ValueError("no disk")
        yield

    with pytest.raises(RuntimeError, match="has not started"):
        HTTPServer(Starlette(lifespan=fails), "127.0.0.1", free_port(), timeout_s=60)


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
