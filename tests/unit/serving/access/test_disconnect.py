"""Work ends with the client that asked for it, and every request ends in time."""

import asyncio
import json

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from instageo.serving.access.disconnect import ClientPresence

GONE = {"type": "http.disconnect"}


class Connection:
    """The messages of a client; after the last one it waits until it is told to go, or has its response."""

    def __init__(self, *bodies):
        self.messages = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
        self.left, self.received, self.sent = asyncio.Event(), 0, []

    async def receive(self):
        self.received += 1
        if self.received <= len(self.messages):
            return self.messages[self.received - 1]
        await self.left.wait()
        return GONE

    async def send(self, message):
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.left.set()  # as uvicorn tells the application after its response


async def respond(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})


def test_all_messages_arrive_in_order_and_a_response_is_not_cut_short():
    read, after = [], []

    async def app(_, receive, send):
        read.extend([(await receive())["body"] for _ in range(3)])
        await respond(send)
        await asyncio.sleep(0.05)  # as what an application closes after its response
        after.append(await receive())

    async def main():
        connection = Connection(b"1", b"2", b"3")
        await ClientPresence(app, 60)({"type": "http"}, connection.receive, connection.send)
        return connection

    connection = asyncio.run(main())
    assert read == [b"1", b"2", b"3"]
    assert [message.get("body") for message in connection.sent] == [None, b"a", b"b"]
    assert after == [GONE]


def test_the_work_for_a_client_that_has_gone_is_cancelled():
    ended = []

    async def app(_, receive, send):
        await receive()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        await respond(send)

    async def main():
        connection = Connection(b"1")
        asyncio.get_running_loop().call_later(0.05, connection.left.set)
        await ClientPresence(app, 60)({"type": "http"}, connection.receive, connection.send)
        return connection.sent

    assert asyncio.run(main()) == []
    assert ended == ["cancelled"]


def test_a_body_that_is_not_read_is_not_received():
    """So that the network makes the client wait, and memory is not filled."""

    async def app(_, receive, send):
        assert (await receive())["body"] == b"x"
        await asyncio.sleep(0.05)
        await respond(send)

    async def main():
        connection = Connection(*[b"x"] * 100)
        await ClientPresence(app, 60)({"type": "http"}, connection.receive, connection.send)
        return connection.received

    assert asyncio.run(main()) <= 3  # one read, one waiting, one about to wait


def test_a_request_ends_in_time_with_408():
    async def app(_, receive, send):
        while True:
            await receive()

    async def main():
        connection = Connection(b"1")
        await ClientPresence(app, 0.05)({"type": "http"}, connection.receive, connection.send)
        return connection.sent

    start, body = asyncio.run(main())
    assert start["status"] == json.loads(body["body"])["status"] == 408
    assert (b"connection", b"close") in start["headers"]


@pytest.mark.parametrize("error", [TimeoutError("of its own"), ValueError("any")])
def test_errors_of_the_application_are_passed_on(error):
    async def app(_, receive, send):
        raise error

    async def main():
        connection = Connection(b"1")
        await ClientPresence(app, 60)({"type": "http"}, connection.receive, connection.send)

    with pytest.raises(type(error), match=str(error)):
        asyncio.run(main())
