"""An application whose jobs are done by a small program."""

import time
from contextlib import contextmanager

import pytest

from instageo.serving.jobs.settings import JobSettings
from instageo.serving.settings import TOKEN_VARIABLE, ServerSettings
from tests.small_job_runner import COMMAND

MODELS = {name: name for name in ("quick", "slow", "deaf", "abort", "killed", "memory", "error", "bug", "partial")}
SCRIPT = "<script>alert(1)</script>"
ZONE = {"type": "Polygon", "coordinates": [[[33, -19], [34, -19], [34, -18], [33, -19]]]}
ZONES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "geometry": ZONE, "properties": {"name": SCRIPT, "deep": {"a": 1}}}],
}


def body(**changes):
    """A request for a job."""
    return {"model": "quick", "area": [33, -19, 34, -18], "date": "2026-11-20/2026-11-26", "zones": ZONES} | changes


@contextmanager
def running_app(folder, **limits):
    """A client of an application that runs jobs."""
    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app

    settings = ServerSettings(MODELS, jobs=JobSettings(str(folder), **limits))
    with TestClient(build_app(None, settings, job_command=COMMAND), base_url="http://localhost") as client:
        wait_for(lambda: client.get("/v1/jobs").status_code != 503)
        yield client


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A function that starts such an application in a folder of its own."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return lambda **limits: running_app(tmp_path / "jobs", **limits)


def wait_for(is_true):
    """Wait until a function returns something; the limit only ends a test that would never."""
    end = time.monotonic() + 300
    while not (value := is_true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def ended(client, number):
    """The job after its end."""
    ends = ("done", "failed", "cancelled", "interrupted")
    return wait_for(lambda: (job := client.get(f"/v1/jobs/{number}").json())["state"] in ends and job)


def started(client, number):
    """The job after it has begun to work."""
    return wait_for(lambda: (job := client.get(f"/v1/jobs/{number}").json())["progress"]["total"] and job)
