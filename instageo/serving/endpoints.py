"""The server's HTTP: paths, their parameters, and the page."""

import asyncio
import inspect
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Query, Request, UploadFile
from fastapi import Path as InPath
from fastapi.responses import FileResponse, JSONResponse, Response
from ray.serve.handle import DeploymentHandle
from starlette.middleware import Middleware

from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings.resolve import band_names
from instageo.serving.errors import RESPONSES, HTTPProblem, install_handlers
from instageo.serving.formats import FORMATS, OutputFormat
from instageo.serving.inputs import fetch_url
from instageo.serving.metrics import ServerMetrics
from instageo.serving.middleware import LimitsMiddleware
from instageo.serving.service import PredictionService, scratch_file
from instageo.serving.settings import RequestLimits, ServerSettings
from instageo.serving.tiles import MAP
from instageo.version import __version__

PAGE = Path(__file__).parent / "page"

MOST = 32
"""Files in one batch."""

SPARE = 8
"""Threads besides those of requests that are work."""

Upload = Annotated[UploadFile | None, File(description="A GeoTIFF in the layout of the training chips.")]
Url = Annotated[str | None, Form(description="Of a GeoTIFF, http or https, where the server takes URLs.")]
Sample = Annotated[str | None, Form(description="One of /v1/samples.")]
ModelName = Annotated[str | None, Query(description="One of /v1/models; the first if none is named.")]
Kind = Annotated[OutputFormat, Query(alias="format", description="tif: Cloud-Optimized GeoTIFF.")]
Shares = Annotated[bool, Query(description="Probabilities instead of classes, in tif and npy.")]


Result = Annotated[str, InPath(description="As /v1/predict/show names it; kept for a while.")]
Layer = Annotated[Literal["image", "prediction"], InPath()]
Level = Annotated[int, InPath(ge=0, le=30)]
Place = Annotated[int, InPath(ge=0, le=1_000_000)]

KEEP = {"Cache-Control": "private, max-age=3600"}
"""A result never changes."""


def make_app(limits: RequestLimits) -> FastAPI:
    """An application with its refusals."""
    app = FastAPI(title="InstaGeo", version=__version__, middleware=[Middleware(LimitsMiddleware, limits=limits)],
                  description="Maps from satellite images by fine-tuned Prithvi networks.")  # fmt: skip
    install_handlers(app)
    return app


class Endpoints:
    """What the paths do."""

    def __init__(self, networks: DeploymentHandle[Any], serving: ServerSettings) -> None:
        self.serving, self.meter = serving, ServerMetrics()
        self.worker = PredictionService(networks, serving, self.meter)
        self.threads = ThreadPoolExecutor(serving.limits.waiting + SPARE)

    def threaded(self, work: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
        """The same, worked out by a thread that stays.

        Threads of FastAPI's own would end with each request of Ray Serve's, and in a new one GDAL and PROJ take longer
        to begin (10 ms) than an image to be read.
        """

        async def call(**given: Any) -> Response:
            return await asyncio.get_running_loop().run_in_executor(self.threads, partial(work, **given))

        call.__name__, call.__doc__ = work.__name__, work.__doc__
        call.__signature__ = inspect.signature(work)  # type: ignore[attr-defined]  # what FastAPI goes by
        return call

    def predict(
        self, file: Upload = None, url: Url = None, sample: Sample = None, model: ModelName = None,
        kind: Kind = OutputFormat.tif, probabilities: Shares = False,
    ) -> Response:  # fmt: skip
        """Map one image, on its own grid."""
        with self.counted(model) as name, self.image(file, url, sample) as path:
            if kind is OutputFormat.json:
                return JSONResponse(self.worker.summary(name, path))
            found = self.worker.answer(name, path, kind, probabilities=probabilities)
        disposition = {"Content-Disposition": f'attachment; filename="{found.name}"'}
        return Response(found.content, media_type=found.kind, headers=disposition)

    def predict_batch(
        self, files: Annotated[list[UploadFile], File(description=f"Up to {MOST} GeoTIFFs.")], model: ModelName = None
    ) -> JSONResponse:
        """Summaries of several images; one that is not taken says why and does not stop the others."""
        if len(files) > MOST:
            raise HTTPProblem(413, f"{len(files)} files came; this server takes {MOST} at a time")
        results: list[dict[str, Any]] = []
        for upload in files:
            with self.counted(model) as name:
                try:
                    with self.image(upload, None, None) as path:
                        results.append({"file": upload.filename, **self.worker.summary(name, path)})
                except HTTPProblem as error:
                    if error.status in (404, 429, 503):
                        raise
                    results.append({"file": upload.filename, "status": error.status, "detail": error.detail})
        return JSONResponse({"results": results})

    def show(
        self, file: Upload = None, url: Url = None, sample: Sample = None, model: ModelName = None
    ) -> JSONResponse:
        """A summary, and the name of a result whose tiles and map can be asked for, for the page."""
        with self.counted(model) as name, self.image(file, url, sample) as path:
            return JSONResponse(self.worker.show(name, path))

    def tile(self, name: Result, layer: Layer, level: Level, row: Place, column: Place) -> Response:
        """A tile of 256 pixels of a result's picture; level n is 2^n times as small."""
        return Response(self.worker.results.tile(name, layer, level, row, column), media_type="image/png", headers=KEEP)

    def download(self, name: Result) -> Response:
        """The map of a result, a Cloud-Optimized GeoTIFF."""
        return Response(self.worker.results.download(name), media_type=FORMATS[OutputFormat.tif], headers=KEEP)

    def models(self) -> JSONResponse:
        """Names of all models."""
        return JSONResponse({"models": [{"name": name} for name in self.serving.models]})

    def model(self, name: Annotated[str, InPath(description="A name; it may hold slashes.")]) -> JSONResponse:
        """What a model needs and tells."""
        told = self.worker.description(name)
        settings = told.settings
        data, outputs = settings.dataloader, settings.model
        classes = outputs.class_names or [str(number) for number in range(outputs.num_classes)]
        return JSONResponse({
            "name": name, "network": outputs.model_name, "parameters": told.parameters,
            "bands": list(band_names(settings)),
            "dates": data.temporal_dim, "layers": data.bands, "no_data_value": data.no_data_value,
            "tile_pixels": data.img_size, "regression": settings.is_reg_task,
            "image_level": data.label_kind.value != "raster", "classes": None if settings.is_reg_task else classes,
            "metrics": told.metrics,
        })  # fmt: skip

    def samples(self) -> JSONResponse:
        """Images that the server offers to try."""
        return JSONResponse({"samples": sorted(self._samples())})

    def alive(self) -> JSONResponse:
        """Whether this process answers."""
        return JSONResponse({"status": "alive"})

    def ready(self) -> JSONResponse:
        """Whether the first model is loaded."""
        self.worker.description(next(iter(self.serving.models)))
        return JSONResponse({"status": "ready"})

    def metrics(self) -> Response:
        """Counters in Prometheus' text format."""
        return Response(self.meter.text(), media_type="text/plain; version=0.0.4")

    @contextmanager
    def counted(self, model: str | None) -> Iterator[str]:
        """The model's name, while its request is counted."""
        name = model or next(iter(self.serving.models))
        known = name if name in self.serving.models else "unknown"
        self.meter.inside.inc()
        try:
            yield name
            self.meter.requests.labels(known, "200").inc()
        except HTTPProblem as error:
            self.meter.requests.labels(known, str(error.status)).inc()
            raise
        finally:
            self.meter.inside.dec()

    @contextmanager
    def image(self, file: UploadFile | None, url: str | None, sample: str | None) -> Iterator[Path]:
        """The image that a request brings, as a file of its own."""
        if sum(bool(given) for given in (file, url, sample)) != 1:
            raise HTTPProblem(422, "expected one of file, url and sample")
        if sample is not None and sample:
            yield self._samples().get(sample) or _unknown(sample)
            return
        with scratch_file() as path:
            if file is not None:
                with path.open("wb") as target:
                    shutil.copyfileobj(file.file, target)
            else:
                fetch_url(str(url), path, self.serving.limits)
            yield path

    def _samples(self) -> dict[str, Path]:
        folder = self.serving.samples
        return {path.name: path for path in Path(folder).glob("*.tif")} if folder else {}


def _unknown(sample: str) -> Path:
    raise HTTPProblem(404, f"there is no sample '{sample}'; /v1/samples lists them")


def build_app(networks: DeploymentHandle[Any], serving: ServerSettings) -> FastAPI:
    """The application of one front process."""
    keep_freed_memory()
    front, app = Endpoints(networks, serving), make_app(serving.limits)
    files = (
        (app.post, "/v1/predict", front.predict, ("image/tiff", "image/png", "application/json", "application/x-npy")),
        (app.get, "/v1/results/{name}/{layer}/{level}/{row}/{column}.png", front.tile, ("image/png",)),
        (app.get, f"/v1/results/{{name}}/{MAP}", front.download, ("image/tiff",)),
    )
    for method, path, answer, kinds in files:
        content: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in kinds}}}
        method(path, responses=content | RESPONSES, response_class=Response)(front.threaded(answer))
    for method, path, work in (
        (app.post, "/v1/predict/batch", front.predict_batch), (app.post, "/v1/predict/show", front.show),
        (app.get, "/v1/models", front.models), (app.get, "/v1/models/{name:path}", front.model),
        (app.get, "/v1/samples", front.samples), (app.get, "/readyz", front.ready),
        (app.get, "/metrics", front.metrics), (app.get, "/healthz", front.alive),
    ):  # fmt: skip
        method(path, responses=RESPONSES)(front.threaded(work))
    for path, name in (("/", "index.html"), ("/page.css", "page.css"), ("/page.js", "page.js")):
        app.add_route(path, _page(PAGE / name), include_in_schema=False)
    return app


def _page(path: Path) -> Callable[[Request], Response]:
    return lambda _: FileResponse(path)
