"""HTTP endpoints: paths, their parameters, and the page."""

import asyncio
import inspect
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, File, Form, Query, Request, UploadFile
from fastapi import Path as InPath
from fastapi.responses import FileResponse, JSONResponse, Response
from ray.serve.handle import DeploymentHandle
from starlette.middleware import Middleware

from instageo.extras import required_by
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings.derived import band_names, layers_by_date
from instageo.serving.access.admission import Admission, current_place
from instageo.serving.access.middleware import PAGE_FILES, LimitsMiddleware, read_bearer_token
from instageo.serving.errors import PROBLEM_RESPONSES, HTTPProblem, install_handlers
from instageo.serving.formats import MEDIA_TYPES, OutputFormat
from instageo.serving.inputs import fetch_url
from instageo.serving.jobs.disabled import add_disabled_endpoints
from instageo.serving.metrics import ServerMetrics
from instageo.serving.service import PredictionService
from instageo.serving.settings import TOKEN_VARIABLE, ServerSettings
from instageo.serving.temporary import ServerFolder
from instageo.serving.tiles import MAP_NAME, ResultCache
from instageo.version import __version__

PAGE = Path(__file__).parent / "page"

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of the pages: browsers fetch nothing for them from elsewhere; `blob:` are tiles, `data:` the empty icon."""

MAX_BATCH_FILES = 32
"""Most files in a request to `/v1/predict/batch`."""

SPARE_THREADS = 8
"""Threads for requests that are not for predictions."""

CACHE_HEADERS = {"Cache-Control": "private, max-age=3600"}
"""Headers of results, which never change."""

Upload = Annotated[UploadFile | None, File(description="A GeoTIFF in the layout of the training chips.")]
Url = Annotated[str | None, Form(description="URL (http or https) of a GeoTIFF, if the server allows URLs.")]
Sample = Annotated[str | None, Form(description="One of /v1/samples.")]
ModelName = Annotated[str | None, Query(description="One of /v1/models; the first by default.")]
Format = Annotated[OutputFormat, Query(alias="format", description="tif: Cloud-Optimized GeoTIFF.")]
Probabilities = Annotated[bool, Query(description="Probabilities instead of classes, in tif and npy.")]
Files = Annotated[list[UploadFile], File(description=f"Up to {MAX_BATCH_FILES} GeoTIFFs.")]
ModelPath = Annotated[str, InPath(description="Name of a model; may contain slashes.")]
Result = Annotated[str, InPath(description="Name of a result from /v1/predict/show; kept for a limited time.")]
Layer = Annotated[Literal["image", "prediction"], InPath()]
Level = Annotated[int, InPath(ge=0, le=30)]
TileIndex = Annotated[int, InPath(ge=0, le=1_000_000)]


def build_app(
    handle: DeploymentHandle[Any],
    settings: ServerSettings,
    server: str = "local",
    job_command: Sequence[str] | None = None,
) -> FastAPI:
    """Build the application of one process that answers HTTP.

    Args:
        handle: Handle of the deployment of `ModelProcess`.
        settings: Settings of the server.
        server: Identifier of the server, the same for all its processes.
        job_command: The program that does the orders of jobs; None for the package's own.
    """
    keep_freed_memory()
    admission = Admission.from_limits(settings.limits)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,  # FastAPI's own pages fetch their scripts from elsewhere
        title="InstaGeo",
        version=__version__,
        description="Maps from satellite images by fine-tuned Prithvi networks.",
        middleware=[Middleware(LimitsMiddleware, limits=settings.limits, admission=admission)],
        dependencies=[Depends(read_bearer_token)] if os.environ.get(TOKEN_VARIABLE) else [],  # for OpenAPI
    )
    install_handlers(app)
    endpoints = Endpoints(handle, settings, admission, ServerFolder(server))
    predictions = ("image/tiff", "image/png", "application/json", "application/x-npy")
    for method, path, endpoint, media_types in (
        (app.post, "/v1/predict", endpoints.predict, predictions),
        (app.get, "/v1/results/{name}/{layer}/{level}/{row}/{column}.png", endpoints.tile, ("image/png",)),
        (app.get, f"/v1/results/{{name}}/{MAP_NAME}", endpoints.download, ("image/tiff",)),
    ):  # fmt: skip
        content: dict[int | str, dict[str, Any]] = {200: {"content": {name: {} for name in media_types}}}
        method(path, responses=content | PROBLEM_RESPONSES, response_class=Response)(endpoints.in_thread(endpoint))
    for method, path, json_endpoint in (
        (app.post, "/v1/predict/batch", endpoints.predict_batch), (app.post, "/v1/predict/show", endpoints.show),
        (app.get, "/v1/models", endpoints.models), (app.get, "/v1/models/{name:path}", endpoints.model),
        (app.get, "/v1/samples", endpoints.samples), (app.get, "/readyz", endpoints.ready),
    ):  # fmt: skip
        method(path, responses=PROBLEM_RESPONSES)(endpoints.in_thread(json_endpoint))
    app.get("/metrics", responses=PROBLEM_RESPONSES)(endpoints.metrics)
    app.get("/healthz", responses=PROBLEM_RESPONSES)(endpoints.alive)
    if settings.jobs is None:
        add_disabled_endpoints(app)
    else:
        with required_by("--jobs-dir", "data"):
            from instageo.serving.jobs.endpoints import add_job_endpoints
        add_job_endpoints(app, settings.jobs, settings.models, endpoints.counters, job_command)
    for path, file in PAGE_FILES.items():
        app.add_route(path, _serve_file(PAGE / file), include_in_schema=False)
    return app


def _serve_file(path: Path) -> Callable[[Request], Response]:
    return lambda _: FileResponse(path, headers=PAGE_HEADERS)


class Endpoints:
    """The functions behind the paths.

    Args:
        handle: Handle of the deployment of `ModelProcess`.
        settings: Settings of the server.
        admission: Places and memory for requests.
        folder: Folder for uploads and results.
    """

    def __init__(
        self, handle: DeploymentHandle[Any], settings: ServerSettings, admission: Admission, folder: ServerFolder
    ) -> None:
        self.settings, self.folder, self.counters = settings, folder, ServerMetrics(folder.restarts)
        results = ResultCache(settings.limits.results_mb * 1_000_000, folder.path / "results")
        self.service = PredictionService(handle, settings, self.counters, admission, results)
        self.threads = ThreadPoolExecutor(settings.limits.max_concurrency)
        self.spare_threads = ThreadPoolExecutor(SPARE_THREADS)

    def in_thread(self, endpoint: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
        """Return the endpoint as a coroutine function that runs in a permanent thread, one of its own per place.

        FastAPI's own threads would end with each request under Ray Serve, and GDAL and PROJ take longer to start in a
        new thread (10 ms) than to read an image.
        """

        async def call(**arguments: Any) -> Response:
            slot = current_place.get()
            threads = self.spare_threads if slot is None else self.threads
            work = threads.submit(copy_context().run, partial(endpoint, **arguments))
            if slot is not None:
                slot.hold()
                work.add_done_callback(lambda _: slot.leave())
            try:
                return await asyncio.wrap_future(work)
            except asyncio.CancelledError:
                if slot is not None:
                    slot.abandoned.set()
                raise

        call.__name__, call.__doc__ = endpoint.__name__, endpoint.__doc__
        call.__signature__ = inspect.signature(endpoint)  # type: ignore[attr-defined]  # FastAPI reads it
        return call

    def predict(
        self, file: Upload = None, url: Url = None, sample: Sample = None, model: ModelName = None,
        output: Format = OutputFormat.tif, probabilities: Probabilities = False,
    ) -> Response:  # fmt: skip
        """Map one image on its own grid."""
        with self._counted(model) as name, self._received_image(file, url, sample) as path:
            if output is OutputFormat.json:
                return JSONResponse(self.service.summarize(name, path))
            body = self.service.predict(name, path, output, probabilities=probabilities)
        disposition = {"Content-Disposition": f'attachment; filename="{body.file_name}"'}
        return Response(body.content, media_type=body.media_type, headers=disposition)

    def predict_batch(self, files: Files, model: ModelName = None) -> JSONResponse:
        """Summarize several images; an image that is rejected does not stop the others, and its entry says why."""
        if len(files) > MAX_BATCH_FILES:
            raise HTTPProblem(413, f"received {len(files)} files; the limit is {MAX_BATCH_FILES} per request")
        results: list[dict[str, Any]] = []
        for upload in files:
            with self._counted(model) as name:
                try:
                    with self._received_image(upload, None, None) as path:
                        results.append({"file": upload.filename, **self.service.summarize(name, path)})
                except HTTPProblem as error:
                    if error.status in (404, 429, 503):
                        raise
                    results.append({"file": upload.filename, "status": error.status, "detail": error.detail})
        return JSONResponse({"results": results})

    def show(
        self, file: Upload = None, url: Url = None, sample: Sample = None, model: ModelName = None
    ) -> JSONResponse:
        """Summarize one image, and keep its tiles and map under a name for the page."""
        with self._counted(model) as name, self._received_image(file, url, sample) as path:
            return JSONResponse(self.service.show(name, path))

    def tile(self, name: Result, layer: Layer, level: Level, row: TileIndex, column: TileIndex) -> Response:
        """Return a tile of 256 x 256 pixels of a result's picture; level n is reduced by 2^n."""
        content = self.service.results.read_tile(name, layer, level, row, column)
        return Response(content, media_type="image/png", headers=CACHE_HEADERS)

    def download(self, name: Result) -> Response:
        """Return the map of a result, a Cloud-Optimized GeoTIFF."""
        content = self.service.results.read_map(name)
        return Response(content, media_type=MEDIA_TYPES[OutputFormat.tif], headers=CACHE_HEADERS)

    def models(self) -> JSONResponse:
        """List the names of all models."""
        return JSONResponse({"models": [{"name": name} for name in self.settings.models]})

    def model(self, name: ModelPath) -> JSONResponse:
        """Describe a model: the images it needs, its outputs and its scores."""
        description = self.service.describe(name)
        settings = description.settings
        data, outputs = settings.dataloader, settings.model
        layers = data.bands or range(data.temporal_dim * len(band_names(settings)))
        classes = outputs.class_names or [str(number) for number in range(outputs.num_classes)]
        return JSONResponse({
            "name": name, "network": outputs.model_name, "parameters": description.parameters,
            "bands": list(band_names(settings)),
            "dates": data.temporal_dim, "layers": data.bands, "expected_layers": data.num_layers,
            "read_as": layers_by_date(settings, layers), "no_data_value": data.no_data_value,
            "tile_pixels": data.img_size, "regression": settings.is_reg_task,
            "image_level": data.label_kind.value != "raster", "classes": None if settings.is_reg_task else classes,
            "metrics": description.metrics,
        })  # fmt: skip

    def samples(self) -> JSONResponse:
        """List images that the server offers to try."""
        return JSONResponse({"samples": sorted(self._samples())})

    async def alive(self) -> JSONResponse:
        """Report that this process answers; needs no thread."""
        return JSONResponse({"status": "alive"})

    def ready(self) -> JSONResponse:
        """Report that the first model is loaded."""
        self.service.describe(self.settings.default_model)
        return JSONResponse({"status": "ready"})

    async def metrics(self) -> Response:
        """Return counters in Prometheus' text format; needs no thread."""
        return Response(self.counters.text(), media_type="text/plain; version=0.0.4")

    @contextmanager
    def _counted(self, model: str | None) -> Iterator[str]:
        """Yield the name of the requested model, and count the request."""
        name = model or self.settings.default_model
        label = name if name in self.settings.models else "unknown"
        self.counters.inside.inc()
        try:
            yield name
            self.counters.requests.labels(label, "200").inc()
        except HTTPProblem as error:
            self.counters.requests.labels(label, str(error.status)).inc()
            raise
        finally:
            self.counters.inside.dec()

    @contextmanager
    def _received_image(self, file: UploadFile | None, url: str | None, sample: str | None) -> Iterator[Path]:
        """Yield the path of the image that a request sends or names."""
        if sum(bool(given) for given in (file, url, sample)) != 1:
            raise HTTPProblem(422, "expected exactly one of file, url and sample")
        if sample:
            path = self._samples().get(sample)
            if path is None:
                raise HTTPProblem(404, f"unknown sample '{sample}'; /v1/samples lists the samples")
            yield path
            return
        with self.folder.image() as path:
            if file is not None:
                with path.open("wb") as target:
                    shutil.copyfileobj(file.file, target)
            else:
                fetch_url(str(url), path, self.settings.limits, current_place.get())
            yield path

    def _samples(self) -> dict[str, Path]:
        folder = self.settings.samples
        return {path.name: path for path in Path(folder).glob("*.tif")} if folder else {}
