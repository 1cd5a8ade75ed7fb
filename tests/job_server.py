"""A server without Ray whose jobs are done by `small_job_runner`: `python tests/job_server.py RUN FOLDER PORT`.

Its models are named after what the runner does for them; all of them are described by the same trained run.
"""

import sys
from types import SimpleNamespace

import uvicorn

from instageo.model.map_jobs.trained_model import load_model
from instageo.serving.endpoints import build_app
from instageo.serving.jobs.settings import JobSettings
from instageo.serving.replicas.model_replica import ModelDescription
from instageo.serving.settings import ServerSettings
from tests.small_job_runner import COMMAND

MODELS = {name: name for name in ("quick", "slow", "error")}


class LocalHandle:
    """Describes a run in this process, as the handle of a deployment does."""

    def __init__(self, run):
        predictor = load_model(run)
        description = ModelDescription(predictor.settings, predictor.metrics, 1)
        self.describe = SimpleNamespace(remote=lambda _: SimpleNamespace(result=lambda **_: description))

    def options(self, **_):
        """Return itself, whatever the model."""
        return self


def main(run, folder, port):
    """Serve until the process ends."""
    settings = ServerSettings(MODELS, jobs=JobSettings(folder))
    app = build_app(LocalHandle(run), settings, job_command=COMMAND)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
