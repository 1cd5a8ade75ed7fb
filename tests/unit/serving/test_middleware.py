"""Limits that are checked before anything else."""

import asyncio

import pytest

from instageo.serving.admission import Admission
from instageo.serving.middleware import LimitsMiddleware
from instageo.serving.settings import TOKEN_VARIABLE, RequestLimits


def limited(app, limits):
    """The middleware before an application."""
    return LimitsMiddleware(app, limits, Admission.from_limits(limits))


def respond(middleware, scope, receive):
    """The start of the response to a request."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(middleware(scope, receive, send))
    return sent[0]


@pytest.mark.parametrize(("parts", "status", "num_received"), [(1, 200, 1), (4, 413, 2)])
def test_a_body_without_a_length_is_counted(parts, status, num_received):
    received = []

    async def app(scope, receive, send):
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        received.append(600_000)
        return {"type": "http.request", "body": b"x" * 600_000, "more_body": len(received) < parts}

    scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": []}
    middleware = limited(app, RequestLimits(upload_mb=1))
    assert respond(middleware, scope, receive)["status"] == status
    assert len(received) == num_received  # 1.2 MB exceed 1 MB, and nothing is read after that
    assert middleware.admission.taken == 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Bearer hush", 200),
        (b"bearer hush", 200),  # the scheme has no case (RFC 9110)
        (b"Bearer wrong", 401),
        (b"Bearer hus\xff", 401),
        (b"Bearer", 401),
        (b"Basic hush", 401),
        (b"hush", 401),
        (None, 401),
    ],
)
def test_the_token_is_checked_before_the_body_is_read(monkeypatch, header, status):
    monkeypatch.setenv(TOKEN_VARIABLE, "hush")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        raise AssertionError("the body is read")

    headers = [] if header is None else [(b"authorization", header)]
    scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": headers}
    response = respond(limited(app, RequestLimits()), scope, receive)
    assert response["status"] == status
    if status == 401:
        assert dict(response["headers"])[b"www-authenticate"] == b"Bearer"
        assert dict(response["headers"])[b"content-type"] == b"application/problem+json"
    for path in ("/", "/healthz"):
        assert respond(limited(app, RequestLimits()), scope | {"path": path}, receive)["status"] == 200


@pytest.mark.parametrize(
    ("token", "allowed", "host", "status"),
    [
        (None, (), b"localhost:8000", 200),
        (None, (), b"evil.example", 403),
        (None, ("evil.example",), b"evil.example", 200),
        ("hush", (), b"evil.example", 200),  # a page does not know the token
        ("hush", ("maps.example.org",), b"evil.example", 403),
        (None, (), None, 200),
    ],
)
def test_without_a_token_the_host_must_be_the_servers_own(monkeypatch, token, allowed, host, status):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    if token:
        monkeypatch.setenv(TOKEN_VARIABLE, token)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        raise AssertionError("the body is read")

    headers = [(b"authorization", b"Bearer hush")] + ([] if host is None else [(b"host", host)])
    scope = {"type": "http", "path": "/v1/models", "method": "GET", "headers": headers}
    middleware = limited(app, RequestLimits(allowed_hosts=allowed))
    assert respond(middleware, scope, receive)["status"] == status
    cross = scope | {"method": "POST", "headers": [(b"sec-fetch-site", b"cross-site"), *headers]}
    assert respond(middleware, cross, receive)["status"] == 403
