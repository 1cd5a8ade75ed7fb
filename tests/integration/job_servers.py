"""A real server of jobs whose work is done by `small_job_runner`."""

import json
import time
from contextlib import contextmanager

from benchmarks.free_port import free_port
from instageo.runtime.own_modules import PACKAGE_FOLDER
from tests.forked_calls import running
from tests.integration.servers import Server


@contextmanager
def job_server(run, folder):
    """A server without Ray whose jobs are done by `small_job_runner`."""
    port, log = free_port(), folder.with_name("server.log")
    environment = {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with running(log, serve_jobs, str(run), str(folder), port, environment=environment) as process:
        server = Server(port, process)
        wait_for(lambda: answer(server, "/v1/jobs")[0] == 200)
        yield server
        process.terminate()
        process.wait(60)


def serve_jobs(*arguments):
    """Run `job_server`; its imports are those of a process of its own."""
    from tests.job_server import main

    main(*arguments)


def wait_for(is_true):
    """Wait until a function returns something; the limit only ends a test that would never."""
    end = time.monotonic() + 600
    while not (value := is_true()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return value


def answer(server, path, method="GET", content=None, headers=None):
    """Status and JSON, or text, of a response; 0 while nothing answers."""
    try:
        status, kind, content = server.request(method, path, content, headers)
    except OSError:
        return 0, {}
    return status, json.loads(content) if "json" in kind.get("content-type", "") else content
