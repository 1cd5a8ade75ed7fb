"""MLflow as a tracker of training runs, through Lightning's logger."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from instageo.errors import ConfigError
from instageo.locations import hide_secrets
from instageo.model.settings import TrackingSettings

PATIENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Where the environment does not say otherwise: a server that is gone holds up training for seconds, not minutes, and
MLflow tells nobody else of the run."""


class MlflowTracker(MLFlowLogger):
    """A run at an MLflow server: settings as params, scores of every epoch, and what the run came to."""

    def identity(self) -> dict[str, Any]:
        """The server, experiment and run."""
        return {"uri": hide_secrets(self._tracking_uri), "experiment": self.experiment_id, "run": self.run_id}

    def log_hyperparams(self, params: Any) -> None:
        """Keep settings; a run that goes on has them, and MLflow lets nobody change them."""
        if not self.experiment.get_run(str(self.run_id)).data.params:
            super().log_hyperparams({key: hide_secrets(str(value)) for key, value in params.items()})

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Keep final scores as `best_…`, the checkpoint's place as a tag and, if asked for, the file."""
        self.log_metrics({f"best_{name}": value for name, value in scores.items()})
        self.experiment.set_tag(str(self.run_id), "best_checkpoint", hide_secrets(str(checkpoint)))
        if upload:
            self.experiment.log_artifact(str(self.run_id), str(checkpoint))


def server_of(tracking: TrackingSettings) -> str:
    """The URI of the server.

    Raises:
        ConfigError: Neither settings nor environment name one.
    """
    uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise ConfigError(
            "logger=mlflow needs a server: name it with tracking.uri=http://… or $MLFLOW_TRACKING_URI; "
            "`mlflow server` starts one"
        )
    return uri


def refuse_mlflow(tracking: TrackingSettings) -> None:
    """Refuse a server that does not answer.

    Raises:
        ConfigError: There is none, or it cannot be used.
        ImportError: MLflow, or what the kind of URI needs, is not installed.
    """
    uri = server_of(tracking)
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except mlflow_failures() as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ConfigError(
            f"logger=mlflow: the server {uri} does not answer ({reason}); start it, correct tracking.uri, or train "
            "with logger=tensorboard"
        ) from error


def mlflow_failures() -> tuple[type[Exception], ...]:
    """What MLflow's client raises when its server is gone or refuses."""
    from mlflow.exceptions import MlflowException

    return MlflowException, OSError


def build_mlflow(tracking: TrackingSettings, folder: Path, earlier: Mapping[str, Any]) -> MlflowTracker:
    """A tracker that begins a run, or goes on with an earlier one where the server still has it."""
    from mlflow.tracking import MlflowClient

    uri, run = server_of(tracking), earlier.get("run")
    if run is not None:
        client = MlflowClient(uri)
        try:
            client.update_run(run, status="RUNNING")
        except mlflow_failures():
            run = None
    return MlflowTracker(tracking.experiment, tracking.name, uri, {"folder": str(folder)}, run_id=run)
