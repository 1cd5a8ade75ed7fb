"""MLflow as a tracker of training runs, through Lightning's logger."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from instageo.errors import ConfigError
from instageo.locations import hide_secrets
from instageo.model.settings.run_settings import TrackingSettings

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Defaults for environment variables that are not set.

An unreachable server delays training by seconds, not minutes, and MLflow sends no telemetry.
"""


class MlflowTracker(MLFlowLogger):
    """A run at an MLflow server: settings as params, scores of every epoch, and the final scores and checkpoint."""

    def identity(self) -> dict[str, Any]:
        """Return server, experiment and run."""
        return {"uri": hide_secrets(self._tracking_uri), "experiment": self.experiment_id, "run": self.run_id}

    def log_hyperparams(self, params: Any) -> None:
        """Store settings, unless the run has them already: a resumed run has, and MLflow does not let them change."""
        if not self.experiment.get_run(str(self.run_id)).data.params:
            super().log_hyperparams({key: hide_secrets(str(value)) for key, value in params.items()})

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Store final scores as `best_…`, the checkpoint's path as a tag and, with `upload`, the file."""
        self.log_metrics({f"best_{name}": value for name, value in scores.items()})
        self.experiment.set_tag(str(self.run_id), "best_checkpoint", hide_secrets(str(checkpoint)))
        if upload:
            self.experiment.log_artifact(str(self.run_id), str(checkpoint))


def server_uri(tracking: TrackingSettings) -> str:
    """Return the URI of the server.

    Raises:
        ConfigError: Neither the settings nor the environment name a server.
    """
    uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise ConfigError(
            "logger=mlflow needs a server: name it with tracking.uri=http://… or $MLFLOW_TRACKING_URI; "
            "`mlflow server` starts one"
        )
    return uri


def check_available(tracking: TrackingSettings) -> None:
    """Raise if the server does not answer.

    Raises:
        ConfigError: No server is named, or it cannot be used.
        ImportError: MLflow, or what the kind of URI needs, is not installed.
    """
    uri = server_uri(tracking)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except failures() as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ConfigError(
            f"logger=mlflow: the server {uri} does not answer ({reason}); start it, correct tracking.uri, or train "
            "with logger=tensorboard"
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of MLflow's client if its server is unreachable or rejects a call."""
    from mlflow.exceptions import MlflowException

    return MlflowException, OSError


def build_tracker(tracking: TrackingSettings, folder: Path, previous: Mapping[str, Any]) -> MlflowTracker:
    """Build a tracker that starts a run, or continues the previous one if the server still has it.

    Args:
        tracking: Server, experiment and name.
        folder: The run's folder, stored as a tag.
        previous: `MlflowTracker.identity` of the run to continue; empty for a new one.
    """
    from mlflow.tracking import MlflowClient

    uri, run_id = server_uri(tracking), previous.get("run")
    if run_id is not None:
        try:
            MlflowClient(uri).update_run(run_id, status="RUNNING")
        except failures():
            run_id = None
    return MlflowTracker(tracking.experiment, tracking.name, uri, {"folder": str(folder)}, run_id=run_id)
