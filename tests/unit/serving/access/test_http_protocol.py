"""The head of a request is bounded before anything of it is kept."""

import http.client
import socket
import threading
import time
from contextlib import suppress

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
pytest.importorskip("httptools", reason="uvicorn has a limit of its own without httptools")

from instageo.serving.access import http_protocol  # noqa: E402
from instageo.serving.access.http_protocol import MAX_HEAD_BYTES, BoundedHeadProtocol, limit_heads  # noqa: E402


async def count(scope, receive, send):
    """Respond with the number of bytes of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(str(size)))]})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture(scope="module")
def port():
    """A server with this protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(count, http=BoundedHeadProtocol, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_requests_in_a_row_and_large_bodies_pass(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in (b"", b"x" * 3_000_000, b"x" * 70_000, b"y"):
        connection.request("POST", "/", body, {"X-A": "a" * 30_000})
        assert int(connection.getresponse().read()) == len(body)
    connection.close()


@pytest.mark.parametrize("piece", [b"X-A: " + b"a" * 1000 + b"\r\n", b"a" * 10_000], ids=["headers", "one header"])
def test_a_head_beyond_the_limit_ends_the_connection(port, piece):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-B: ")
        sent, received = 0, b""
        try:
            while sent < 50 * MAX_HEAD_BYTES:
                client.sendall(piece)
                sent += len(piece)
                time.sleep(0.001)
        except OSError:
            pass
        with suppress(OSError):  # the connection may have been reset
            received = client.recv(1000)
    assert sent < 50 * MAX_HEAD_BYTES
    assert not received or received.startswith(b"HTTP/1.1 431 ")


def test_the_first_bytes_of_a_head_count(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-B: " + b"a" * MAX_HEAD_BYTES)  # at once, without an end
        assert client.recv(1000).startswith(b"HTTP/1.1 431 ")


def test_ray_serves_proxy_gets_it(monkeypatch):
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    assert limit_heads() == []
    assert uvicorn.Config(count, log_config=None).http == "auto"
    config = uvicorn.Config(count, log_config=None)
    config.load()
    assert config.http_protocol_class is BoundedHeadProtocol


def test_a_head_that_does_not_end_in_time_is_408(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "MAX_HEAD_S", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-")
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:  # nothing at all
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_headers_that_ray_obeys_are_dropped():
    taken = []

    class Recorder(BoundedHeadProtocol):
        def __init__(self):
            self.headers = taken

    Recorder().on_header(b"Accept", b"x")
    for name in (*http_protocol.RAY_HEADERS, b"X-Request-Timeout-Seconds", b"serve-multiplexed-model-id"):
        Recorder().on_header(name, b"?1")
    Recorder().on_header(b"X-Request-ID", b"\xff")
    Recorder().on_header(b"X-Request-ID", b"7")
    assert taken == [(b"accept", b"x"), (b"x-request-id", b"7")]
