"""Endpoints without a server."""

import asyncio
import inspect
import threading

import pytest

from instageo.serving.settings import TOKEN_VARIABLE, ServerSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
SETTINGS = ServerSettings({"m": "registry:m"})


def test_threads_stay_from_request_to_request():
    from instageo.serving.endpoints import Endpoints

    def endpoint(model: str | None = None) -> tuple[str | None, int]:
        """Return the thread."""
        return (model, threading.get_ident())

    call = Endpoints(None, SETTINGS).in_thread(endpoint)
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
