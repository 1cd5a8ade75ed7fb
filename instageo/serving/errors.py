"""Respond to errors with problem details (RFC 9457): one sentence, and no traceback."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from ray.exceptions import TaskCancelledError
from starlette.exceptions import HTTPException

from instageo.errors import InstaGeoError
from instageo.model.settings.keys import cut_advice

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

MODELS_HINT = "/v1/models/NAME describes the images that a model needs"

WHEN_PLACE_IS_FREE = {"Retry-After": "1"}
WHEN_REPLICA_IS_FREE = {"Retry-After": "2"}
WHEN_PLAN_IS_MADE = {"Retry-After": "5"}
WHEN_READY = {"Retry-After": "5"}
WHEN_LESS_BUSY = {"Retry-After": "10"}
WHEN_JOBS_HAVE_ENDED = {"Retry-After": "60"}
"""When clients should ask again, in seconds."""

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM_JSON: {"schema": {"type": "object"}}}}
    for status in (400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503, 504)
}
"""Errors that every path may respond with, for OpenAPI."""


class HTTPProblem(Exception):  # noqa: N818
    """An error that is sent to the client.

    Attributes:
        status: HTTP status.
        detail: One sentence, without advice on settings.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, without_settings(detail), headers


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Build the response to an error."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, PROBLEM_JSON)


def without_settings(sentence: str) -> str:
    """Return a sentence without the parts that advise to change settings, which clients of a server cannot.

    Examples:
        >>> without_settings("the image: has 2 layers, but dataloader.bands requests layer 5; correct dataloader.bands")
        'the image: has 2 layers; /v1/models/NAME describes the images that a model needs'
    """
    retained = cut_advice(sentence)
    return sentence if retained == sentence else f"{retained or 'the image does not fit'}; {MODELS_HINT}"


def install_handlers(app: FastAPI) -> None:
    """Make an application respond to all errors with problem details."""

    @app.exception_handler(HTTPProblem)
    def http_problem(_: Request, error: HTTPProblem) -> JSONResponse:
        return problem_response(error.status, error.detail, error.headers)

    @app.exception_handler(InstaGeoError)
    def known_error(_: Request, error: InstaGeoError) -> JSONResponse:
        return problem_response(422, without_settings(str(error)))

    @app.exception_handler(RequestValidationError)
    def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        details = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        return problem_response(422, "; ".join(details))

    @app.exception_handler(HTTPException)
    def http_exception(_: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(TaskCancelledError)
    def client_gone(_: Request, error: TaskCancelledError) -> JSONResponse:  # noqa: ARG001  # Ray ends what it calls
        return problem_response(503, "the client has gone")

    @app.exception_handler(Exception)
    def unexpected_error(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return problem_response(500, "an internal error occurred; the server's log describes it")
