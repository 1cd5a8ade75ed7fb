"""The answer to requests for jobs of a server that keeps none."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from instageo.serving.errors import problem_response

SENTENCE = "this server makes no maps of areas; its operator can enable them with instageo serve --jobs-dir FOLDER"


def add_disabled_endpoints(app: FastAPI) -> None:
    """Answer all paths of jobs with one sentence (404)."""

    async def disabled(_: Request) -> JSONResponse:
        return problem_response(404, SENTENCE)

    for path in ("/v1/jobs", "/v1/jobs/{rest:path}"):
        app.add_route(path, disabled, methods=["GET", "POST", "DELETE"], include_in_schema=False)
