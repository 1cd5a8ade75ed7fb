"""Endpoints without a server."""

import asyncio
import inspect
import re
import threading
import time

import pytest

from instageo.serving.access.middleware import PAGE_FILES
from instageo.serving.settings import TOKEN_VARIABLE, ServerSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
SETTINGS = ServerSettings({"m": "registry:m"})


def test_threads_stay_from_request_to_request():
    from instageo.serving.access.admission import Admission
    from instageo.serving.endpoints import Endpoints
    from instageo.serving.temporary import ServerFolder

    def endpoint(model: str | None = None) -> tuple[str | None, int]:
        """Return the thread."""
        return (model, threading.get_ident())

    call = Endpoints(None, SETTINGS, Admission(1, 10**9), ServerFolder("test")).in_thread(endpoint)
    assert (inspect.signature(call), call.__doc__) == (inspect.signature(endpoint), endpoint.__doc__)
    assert inspect.iscoroutinefunction(call)
    threads = {asyncio.run(call(model="x")) for _ in range(20)}  # Ray Serve ends FastAPI's threads with each request
    alive = {thread.ident for thread in threading.enumerate()}
    assert all(model == "x" and thread in alive for model, thread in threads)


def test_openapi_names_the_token_if_one_is_required(monkeypatch):
    from instageo.serving.endpoints import build_app

    assert "securitySchemes" not in build_app(None, SETTINGS).openapi()["components"]
    monkeypatch.setenv(TOKEN_VARIABLE, "hush")
    [scheme] = build_app(None, SETTINGS).openapi()["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@pytest.fixture
def client(monkeypatch):
    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app

    monkeypatch.setenv(TOKEN_VARIABLE, "hush")
    return TestClient(build_app(None, SETTINGS))


@pytest.mark.parametrize("path", list(PAGE_FILES))
def test_pages_come_from_the_server_alone(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert not re.findall(r"https?://|//[a-z]+\.|@import|url\(", response.text)
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' blob: data:"  # tiles that a script has fetched, and the empty icon
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors", "object-src")} == {"'none'"}
    assert "<script>" not in response.text  # which the policy would not run
    assert " style=" not in response.text


def test_the_api_needs_the_token_though_its_page_does_not(client):
    assert client.get("/openapi.json").status_code == 401
    told = {"Authorization": "Bearer hush"}
    assert client.get("/openapi.json", headers=told).status_code == 200
    assert [client.get(path, headers=told).status_code for path in ("/redoc", "/docs/oauth2-redirect")] == [404, 404]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "the image: has 5 layers, expected 6 (1 date x 6 bands); name the bands with dataloader.band_names, list "
            "layers in dataloader.bands, or correct dataloader.temporal_dim",
            "the image: has 5 layers, expected 6 (1 date x 6 bands); /v1/models/NAME describes the images that a model "
            "needs",
        ),
        ("the image: test.size=7 is odd; correct dataloader.bands", "the image: test.size=7 is odd; /v1/models/NAME"),
        ("the file is empty; expected a GeoTIFF", "the file is empty; expected a GeoTIFF"),
    ],
)
def test_clients_are_not_told_to_change_settings(sentence, told):
    from instageo.serving.errors import HTTPProblem

    assert HTTPProblem(422, sentence).detail.startswith(told)


def test_a_request_that_ray_ends_is_no_internal_error(monkeypatch, caplog):
    from ray.exceptions import TaskCancelledError
    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app
    from instageo.serving.errors import HTTPProblem
    from instageo.serving.service import call_replica

    def end():
        raise TaskCancelledError

    with pytest.raises(HTTPProblem, match="the client has gone"):
        call_replica(end, time.monotonic() + 600)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    app = build_app(None, SETTINGS)
    app.get("/ended")(end)
    response = TestClient(app, base_url="http://localhost").get("/ended")
    assert (response.status_code, response.json()["detail"]) == (503, "the client has gone")
    assert caplog.records == []


def test_health_and_metrics_need_no_thread(monkeypatch):
    from starlette.testclient import TestClient

    from instageo.serving import endpoints

    def no_thread(*_):
        raise AssertionError("a thread is used")

    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(endpoints.ThreadPoolExecutor, "submit", no_thread)
    client = TestClient(endpoints.build_app(None, SETTINGS), base_url="http://localhost")
    assert [client.get(path).status_code for path in ("/healthz", "/metrics")] == [200, 200]
    assert "instageo_front_restarts_total 0.0" in client.get("/metrics").text
