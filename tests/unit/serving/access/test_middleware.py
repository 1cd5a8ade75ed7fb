"""Limits that are checked before anything else."""

import asyncio
import json
import time

import pytest

from instageo.serving.access import admission
from instageo.serving.access.admission import Admission, current_place
from instageo.serving.access.middleware import LimitsMiddleware
from instageo.serving.access.upload import Upload
from instageo.serving.errors import HTTPProblem
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
    response = respond(middleware, scope, receive)
    assert response["status"] == status
    assert ((b"connection", b"close") in response["headers"]) == (status == 413)  # or the rest would still arrive
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


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def no_body():
    raise AssertionError("the body is read")


def scope_of(path="/v1/predict", **headers):
    headers = [(key.replace("_", "-").encode(), value) for key, value in headers.items()]
    return {"type": "http", "path": path, "method": "POST", "headers": headers}


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"2000000", 200),
        (b"2000001", 413),
        (b"0" * 18, 200),
        (b"0" * 19, 400),
        (b"-1", 400),
        (b"", 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/models"])
def test_a_length_beyond_the_limit_is_rejected_before_the_body_is_read(length, status, path):
    middleware = limited(answer, RequestLimits(upload_mb=2))
    response = respond(middleware, scope_of(path, Content_Length=length), no_body)
    assert response["status"] == status
    assert middleware.admission.taken == 0


def test_a_body_of_exactly_the_limit_is_received():
    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await answer(scope, receive, send)

    parts = iter([{"body": b"x" * 400_000, "more_body": True}, {"body": b"x" * 600_000, "more_body": True}, {}])

    async def receive():
        return next(parts)

    assert respond(limited(app, RequestLimits(upload_mb=1)), scope_of(), receive)["status"] == 200


@pytest.mark.parametrize("is_started", [False, True])
def test_a_response_that_has_begun_is_not_followed_by_another(is_started):
    sent = []

    async def app(scope, receive, send):
        if is_started:
            await answer(scope, receive, send)
        await receive()

    async def receive():
        return {"body": b"x" * 1_000_001}

    async def send(message):
        sent.append(message)

    asyncio.run(limited(app, RequestLimits(upload_mb=1))(scope_of(), receive, send))
    assert [message["status"] for message in sent if "status" in message] == [200 if is_started else 413]


@pytest.mark.parametrize(("path", "status"), [("/v1/predict/image", 429), ("/v1/models", 200)])
def test_predictions_beyond_the_limit_are_told_to_come_back(path, status):
    middleware = limited(answer, RequestLimits(max_concurrency=2))
    middleware.admission.taken = 1
    assert respond(middleware, scope_of("/v1/predict"), no_body)["status"] == 200
    middleware.admission.taken = 2
    response = respond(middleware, scope_of(path), no_body)
    assert response["status"] == status
    assert status == 200 or dict(response["headers"])[b"retry-after"] == b"1"
    assert middleware.admission.taken == 2


def test_requests_are_counted_while_they_are_processed():
    counts = []

    async def app(scope, receive, send):
        counts.append(middleware.admission.taken)
        await answer(scope, receive, send)

    middleware = limited(app, RequestLimits())
    for _ in range(2):
        respond(middleware, scope_of(), no_body)
    assert counts == [1, 1]
    assert middleware.admission.taken == 0


def test_the_start_of_the_server_needs_no_token(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "hush")
    started = []

    async def app(scope, receive, send):
        started.append((scope, receive, send))

    asyncio.run(limited(app, RequestLimits())({"type": "lifespan"}, no_body, answer))
    assert started == [({"type": "lifespan"}, no_body, answer)]


def test_what_the_application_gets_is_the_request(monkeypatch):
    async def app(scope, receive, send):
        assert scope == scope_of("/v1/models")
        assert (await receive()) == {"body": b"x"}
        await answer(scope, receive, send)

    async def receive():
        return {"body": b"x"}

    assert respond(limited(app, RequestLimits()), scope_of("/v1/models"), receive)["status"] == 200


def test_rejections_say_why(monkeypatch):
    def detail(scope, limits):
        sent = []

        async def send(message):
            sent.append(message)

        middleware = limited(answer, limits)
        middleware.admission.taken = 1
        asyncio.run(middleware(scope, no_body, send))
        return json.loads(sent[1]["body"])["detail"]

    assert detail(scope_of(Content_Length=b"9000000"), RequestLimits(upload_mb=8)).startswith(
        "the request is larger than 8 MB"
    )
    assert detail(scope_of(Content_Length=b"x"), RequestLimits()) == "Content-Length is not a number"
    assert detail(scope_of(), RequestLimits(max_concurrency=1)).startswith("the server is busy with 1 requests")
    monkeypatch.setenv(TOKEN_VARIABLE, "hush")
    assert detail(scope_of(), RequestLimits()).startswith("no valid token")


async def forever():
    await asyncio.Event().wait()


async def read_body(scope, receive, send):
    """An application that receives the whole body."""
    while (await receive()).get("more_body"):
        pass
    await answer(scope, receive, send)


def test_an_upload_that_stalls_ends_at_the_deadline_with_one_sentence():
    async def receive():
        await asyncio.sleep(0.01)
        return {"body": b"x", "more_body": True}

    for stalled in (forever, receive):  # no byte at all, and a byte now and then
        sent, middleware = [], limited(read_body, RequestLimits(timeout_s=1))

        async def send(message, sent=sent):
            sent.append(message)

        asyncio.run(middleware(scope_of(), stalled, send))
        assert sent[0]["status"] == 408
        assert "has not arrived within 1 s (the time limit of this server)" in json.loads(sent[1]["body"])["detail"]
        assert middleware.admission.taken == 0


def test_a_response_that_takes_too_long_is_503_and_its_work_is_told_to_end():
    places = []

    async def app(scope, receive, send):
        await receive()
        places.append(current_place.get())
        await forever()

    async def receive():
        return {"body": b"x", "more_body": False}

    middleware = limited(app, RequestLimits(timeout_s=1))
    assert respond(middleware, scope_of(), receive)["status"] == 503
    assert middleware.admission.taken == 0
    assert places[0].deadline <= time.monotonic()
    with pytest.raises(HTTPProblem, match="no result within the time limit"):
        places[0].check()


def test_the_slowest_upload_gives_its_place_to_another_request(monkeypatch):
    monkeypatch.setattr(admission, "MIN_AGE_S", 0)

    async def run():
        statuses, middleware = {}, limited(read_body, RequestLimits(max_concurrency=2, upload_mb=1))

        def client(name, first):
            parts = iter([{"body": b"x" * first, "more_body": True}])

            async def receive():
                part = next(parts, None)
                return await forever() if part is None else part

            async def send(message):
                statuses.setdefault(name, message.get("status"))

            return asyncio.create_task(middleware(scope_of(), receive, send))

        tasks = [client("fast", 1000), client("slow", 10)]
        await asyncio.sleep(0.05)
        parts = iter([{"body": b"x", "more_body": False}])

        async def receive():
            return next(parts)

        async def send(message):
            statuses.setdefault("good", message.get("status"))

        await middleware(scope_of(), receive, send)
        await tasks[1]
        assert (statuses, middleware.admission.taken) == ({"good": 200, "slow": 408}, 1)
        tasks[0].cancel()

    asyncio.run(run())


def test_uploads_that_are_young_or_complete_keep_their_places():
    taken = admission.Admission(1, 0)
    assert taken.enter() is not None
    upload = Upload(forever, 1)
    with taken.receiving(upload):
        assert taken.enter() is None  # younger than five seconds
        upload._start -= 6
        upload.complete = True
        assert taken.enter() is None
        upload.complete = False
        assert taken.enter() is not None
        assert upload.displaced
