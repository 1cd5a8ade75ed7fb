"""HTTP endpoints of jobs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from instageo.area_maps.request import COMPOSITES
from instageo.data.catalogs.catalogs import CATALOGS
from instageo.data.sources.sources import SOURCES
from instageo.plain_values import MAX_BYTES
from instageo.serving.errors import PROBLEM_RESPONSES, WHEN_PLAN_IS_MADE, HTTPProblem
from instageo.serving.jobs import record as states
from instageo.serving.jobs.downloads import file_response, zip_response
from instageo.serving.jobs.job_request import FIELDS, MASKS, JobSpec, parse_job
from instageo.serving.jobs.log_file import log_to_folder
from instageo.serving.jobs.process import DEFAULT_COMMAND, JobProcess
from instageo.serving.jobs.queue import JobQueue
from instageo.serving.jobs.record import JobRecord
from instageo.serving.jobs.settings import JobSettings
from instageo.serving.jobs.store import JOB_ID, JobStore
from instageo.serving.metrics import ServerMetrics

BODY_S = 30.0
"""Seconds within which the body of a request must arrive."""

PLAN_S = 240.0
"""Seconds within which a plan must be made."""

PLANS_AT_A_TIME = 2

LOOPBACK = ("127.0.0.1", "::1", "testclient")

JobName = Annotated[str, InPath(description="Name of a job, from the response to POST /v1/jobs.")]
FileName = Annotated[str, InPath(description="One of the job's files; may contain slashes.")]
Save = Annotated[bool, Query(description="Whether browsers save the file even if they could show it.")]

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["area"],
                    "properties": {name: {"description": text} for name, text in FIELDS.items()},
                }
            }
        },
    }
}
"""What POST takes, for OpenAPI."""


class JobEndpoints:
    """The functions behind the paths of jobs.

    Args:
        settings: Where jobs are kept, and their limits.
        models: Source of each model by its name.
        metrics: Counters to update.
        command: The program that does an order.
    """

    def __init__(
        self, settings: JobSettings, models: dict[str, str], metrics: ServerMetrics, command: Sequence[str]
    ) -> None:
        self.settings, self.models, self.command = settings, models, command
        self.store = JobStore(Path(settings.folder))
        self.queue = JobQueue(settings, self.store, models, metrics.count_jobs, command)
        self._plans = threading.BoundedSemaphore(PLANS_AT_A_TIME)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Run jobs while the application does."""
        with log_to_folder(self.store.folder):
            self.queue.start()
            try:
                yield
            finally:
                await asyncio.to_thread(self.queue.close)

    async def submit(self, request: Request) -> Response:
        """Queue a map of an area."""
        spec = await self._read(request)
        record = await run_in_threadpool(self.queue.submit, spec, client_of(request))
        headers = {"Location": f"{request.scope.get('root_path', '')}/v1/jobs/{record.id}"}
        return JSONResponse(self._describe(record), 202, headers)

    async def plan(self, request: Request) -> Response:
        """Say how many tiles, images, MB and minutes a map of an area takes, without making it."""
        spec = await self._read(request)
        return JSONResponse(await run_in_threadpool(self._plan, spec))

    async def options(self) -> Response:
        """Say what a request may name, and the limits of this server."""
        limits = self.settings
        return JSONResponse({
            "sources": list(SOURCES), "catalogs": list(CATALOGS), "composites": list(COMPOSITES), "masks": list(MASKS),
            "limits": {
                "area_km2": limits.area_km2, "days": limits.days, "waiting": limits.queue,
                "per_client": limits.per_client, "keep_days": limits.keep_days, "hours": limits.hours,
            },
        })  # fmt: skip

    async def list_jobs(self, request: Request) -> Response:
        """List the jobs that were asked for from the address of this request, the newest first."""
        return JSONResponse({"jobs": await run_in_threadpool(self._list, client_of(request))})

    async def show(self, job: JobName) -> Response:
        """Describe a job: its state, how far it is, and its files."""
        return JSONResponse(self._describe(await self._find(job)))

    async def remove(self, job: JobName) -> Response:
        """Cancel a job that waits or runs (202); remove one that has ended, and its files (204)."""
        await self._find(job)
        record = await run_in_threadpool(self.queue.cancel, job)
        return JSONResponse(self._describe(record), 202) if record else Response(status_code=204)

    async def file(self, job: JobName, name: FileName, save: Save = False) -> Response:
        """Return a file of a job."""
        record = await self._find(job)
        path = self.store.find_file(record, name)
        if path is None:
            state = "has no such file" if record.is_finished else "has no files yet"
            raise HTTPProblem(404, f"the job {state}; /v1/jobs/NAME lists its files")
        return file_response(path, save=save)

    async def archive(self, job: JobName) -> Response:
        """Return all files of a job as a ZIP archive."""
        record = await self._find(job)
        paths = [(file.name, self.store.find_file(record, file.name)) for file in record.files]
        files = [(name, path) for name, path in paths if path is not None]
        if not files:
            raise HTTPProblem(404, f"the job has no files{'' if record.is_finished else ' yet'}")
        return zip_response(files, f"instageo-{record.id[:8]}.zip")

    async def _find(self, job: str) -> JobRecord:
        """Return a job; in a thread, since the queue may be busy with the disk."""
        if not JOB_ID.fullmatch(job):
            raise HTTPProblem(404, "no such job; it may have been removed")
        return await run_in_threadpool(self.queue.find, job)

    def _list(self, client: str) -> list[dict[str, Any]]:
        return [self._describe(job) for job in self.queue.list_jobs(client)]

    def _describe(self, record: JobRecord) -> dict[str, Any]:
        return record.describe(self.queue.position(record) if record.state == states.QUEUED else None)

    async def _read(self, request: Request) -> JobSpec:
        text = await read_json_body(request)
        return await run_in_threadpool(parse_job, text, self.models, self.settings)

    def _plan(self, spec: JobSpec) -> dict[str, Any]:
        if not self._plans.acquire(blocking=False):
            raise HTTPProblem(429, f"{PLANS_AT_A_TIME} plans are being made; try in a moment", WHEN_PLAN_IS_MADE)
        try:
            with self.store.planned(spec, self.models[spec.model]) as (order, log):
                process = JobProcess(order, log, self.command)
                timer = threading.Timer(PLAN_S, process.stop, ["the plan took too long; ask for a smaller area"])
                timer.start()
                try:
                    outcome = process.run(lambda *_: None)
                finally:
                    timer.cancel()
        finally:
            self._plans.release()
        if outcome.plan is None:
            raise HTTPProblem(504 if outcome.stopped else 422, self.queue.public(outcome.error or "no plan was made"))
        return outcome.plan


def client_of(request: Request) -> str:
    """Return the address that a request comes from, `local` for this machine; behind a proxy that of the proxy."""
    host = request.client.host if request.client else ""
    return "local" if host in LOOPBACK or not host else host


async def read_json_body(request: Request) -> str:
    """Return the text of a JSON body, bounded in size and time.

    Raises:
        HTTPProblem: It is not JSON (415, 400), too large (413), or too slow (408).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPProblem(415, "expected the header Content-Type: application/json")
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_BYTES:
                    detail = f"the request is larger than {MAX_BYTES / 1e6:.0f} MB, the limit of jobs"
                    raise HTTPProblem(413, detail, {"Connection": "close"})  # what follows is not read
    except TimeoutError as error:
        raise HTTPProblem(
            408,
            f"the body of the request has not arrived within {BODY_S:.0f} s; send it faster",
            {"Connection": "close"},
        ) from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise HTTPProblem(400, "the request is not UTF-8; expected JSON") from error


def add_job_endpoints(
    app: FastAPI,
    settings: JobSettings,
    models: dict[str, str],
    metrics: ServerMetrics,
    command: Sequence[str] | None = None,
) -> None:
    """Add the paths of jobs to an application, which runs jobs while it runs.

    Args:
        app: The application.
        settings: Where jobs are kept, and their limits.
        models: Source of each model by its name.
        metrics: Counters to update.
        command: The program that does an order; None for the package's own.
    """
    endpoints = JobEndpoints(settings, models, metrics, command or DEFAULT_COMMAND)
    app.router.lifespan_context = endpoints.lifespan
    for add, path, endpoint, extra in (
        (app.post, "/v1/jobs", endpoints.submit, {"status_code": 202, "openapi_extra": BODY}),
        (app.post, "/v1/jobs/plan", endpoints.plan, {"openapi_extra": BODY}),
        (app.get, "/v1/jobs", endpoints.list_jobs, {}),
        (app.get, "/v1/jobs/options", endpoints.options, {}),
        (app.get, "/v1/jobs/{job}", endpoints.show, {}),
        (app.delete, "/v1/jobs/{job}", endpoints.remove, {"status_code": 202}),
        (app.get, "/v1/jobs/{job}/files.zip", endpoints.archive, {}),
        (app.get, "/v1/jobs/{job}/files/{name:path}", endpoints.file, {}),
    ):  # fmt: skip
        register: Callable[..., Callable[[Callable[..., Awaitable[Response]]], Any]] = add
        register(path, responses=PROBLEM_RESPONSES, **extra)(endpoint)
