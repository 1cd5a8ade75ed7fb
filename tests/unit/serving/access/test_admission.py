"""Places and memory of a server are bounded for all requests together."""

import asyncio
import threading
import time

import pytest

from instageo.serving.access.admission import Admission, current_place
from instageo.serving.access.middleware import LimitsMiddleware
from instageo.serving.errors import HTTPProblem
from instageo.serving.settings import RequestLimits, ServerSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings


def soon():
    return time.monotonic() + 60


def test_a_place_is_free_when_its_last_holder_has_left():
    admission = Admission(1, 0)
    place = admission.enter()
    assert admission.enter() is None
    place.hold()
    place.leave()
    assert (admission.taken, admission.enter()) == (1, None)
    place.leave()
    assert admission.taken == 0
    assert admission.enter() is not None


def test_requests_share_memory_and_wait_for_it():
    admission, running, most = Admission(8, 100), [], []

    def work():
        with admission.memory(40, soon()):
            running.append(1)
            most.append(len(running))
            time.sleep(0.02)
            running.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2  # 40 + 40 of 100
    assert admission.reserved == 0


def test_memory_that_the_server_does_not_have_is_refused_at_once():
    words = "needs about 3 MB of memory; the limit of this server is 2 MB"
    with pytest.raises(HTTPProblem, match=words) as caught, Admission(1, 2_000_000).memory(3_000_000, soon()):
        pass
    assert caught.value.status == 413


def test_waiting_for_memory_ends_at_the_deadline_and_when_the_client_has_gone():
    admission = Admission(2, 100)
    with admission.memory(80, soon()):
        late = time.monotonic() + 0.05
        with pytest.raises(HTTPProblem, match="no memory was free") as caught, admission.memory(30, late):
            pass
        assert caught.value.status == 503
        place = admission.enter()
        place.abandoned.set()
        token = current_place.set(place)
        try:
            with pytest.raises(HTTPProblem, match="the client has gone"), admission.memory(30, soon()):
                pass
        finally:
            current_place.reset(token)
    assert admission.reserved == 0


def test_memory_is_given_back_after_an_error():
    admission = Admission(1, 100)
    with pytest.raises(KeyError), admission.memory(80, soon()):
        raise KeyError
    assert admission.reserved == 0


def test_an_abandoned_request_keeps_its_place_until_its_thread_has_ended():
    """The client goes while a thread works; the place is free only when the thread has noticed."""
    from instageo.serving.endpoints import Endpoints  # imports Ray Serve
    from instageo.serving.temporary import ServerFolder

    limits = RequestLimits(max_concurrency=1)
    admission = Admission.from_limits(limits)
    endpoints = Endpoints(None, ServerSettings({"m": "run"}, limits=limits), admission, ServerFolder("test"))
    started, seen = threading.Event(), []

    def endpoint():
        place = current_place.get()
        started.set()
        assert place.abandoned.wait(60)
        seen.append(admission.taken)

    call = endpoints.in_thread(endpoint)

    async def app(scope, receive, send):
        await call()

    async def send(message):
        pass

    async def run():
        middleware = LimitsMiddleware(app, limits, admission)
        scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": []}
        request = asyncio.create_task(middleware(scope, None, send))
        await asyncio.to_thread(started.wait, 60)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        end = time.monotonic() + 60
        while admission.taken and time.monotonic() < end:
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert seen == [1]  # still counted while the thread worked
    assert admission.taken == 0
