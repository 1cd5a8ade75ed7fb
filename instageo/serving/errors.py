"""Errors as RFC 9457 problem details: one sentence, and no trace."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from instageo.errors import InstaGeoError

log = logging.getLogger(__name__)

KIND = "application/problem+json"

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {KIND: {"schema": {"type": "object"}}}}
    for status in (400, 401, 403, 404, 405, 411, 413, 415, 422, 429, 500, 502, 503)
}
"""What every path may answer beside its own, for OpenAPI."""


class HTTPProblem(Exception):  # noqa: N818
    """A request that is not carried out.

    Attributes:
        status: Of the answer.
        detail: One sentence.
        headers: Further headers.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem as an answer."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, KIND)


def install_handlers(app: FastAPI) -> None:
    """Let all errors of an application be answered so."""

    @app.exception_handler(HTTPProblem)
    def refused(_: Request, error: HTTPProblem) -> JSONResponse:
        return problem_response(error.status, error.detail, error.headers)

    @app.exception_handler(InstaGeoError)
    def told(_: Request, error: InstaGeoError) -> JSONResponse:
        return problem_response(422, str(error))

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        return problem_response(422, "; ".join(found))

    @app.exception_handler(HTTPException)
    def plain(_: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return problem_response(500, "something went wrong inside the server; its log tells what")
