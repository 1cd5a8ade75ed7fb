"""Weights & Biases as a tracker of training runs, through Lightning's logger; without an account it stays offline."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from instageo.errors import ConfigError
from instageo.model.settings.run_settings import TrackingMode, TrackingSettings
from instageo.model.tracking.run_json import to_json_value

INIT_TIMEOUT_S = 30
"""Seconds within which the service must answer when a run starts."""


class WandbTracker(WandbLogger):
    """A run at Weights & Biases: settings as config, scores of every epoch, and the final scores and checkpoint."""

    def identity(self) -> dict[str, Any]:
        """Return project and run, and its URL if it is online."""
        run = self.experiment
        return {"project": self._project, "run": run.id, "url": None if run.offline else run.url}

    def log_hyperparams(self, params: Any) -> None:
        """Store settings."""
        super().log_hyperparams(to_json_value(params))

    def finalize(self, status: str) -> None:
        """Close a run that failed; `conclude` closes one that succeeded."""
        if status == "failed":
            self.experiment.finish(exit_code=1)

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Store final scores as `best_…` and the checkpoint's path in the summary and, with `upload`, the file."""
        run = self.experiment
        best = {f"best_{name}": value for name, value in scores.items()}
        run.summary.update({**best, "best_checkpoint": str(checkpoint)})
        if upload:
            run.log_model(checkpoint)
        run.finish()


def run_mode(tracking: TrackingSettings) -> Any:
    """Return `online` or `offline`: from `tracking.mode`, else $WANDB_MODE, else online if $WANDB_API_KEY is set."""
    if tracking.mode is not TrackingMode.auto:
        return tracking.mode.value
    return os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")


def check_available(tracking: TrackingSettings) -> None:
    """Raise if the run is to be online without an account; Weights & Biases would prompt for one.

    Raises:
        ConfigError: The mode is online and no key is set.
        ImportError: wandb is not installed.
    """
    import wandb

    if run_mode(tracking) == "online" and not wandb.api.api_key:
        raise ConfigError(
            "logger=wandb: tracking.mode=online needs a key of Weights & Biases; set $WANDB_API_KEY or run `wandb "
            "login`, or remove tracking.mode and upload the run later with `wandb sync`"
        )


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of Weights & Biases if its service is unreachable or rejects a call."""
    from wandb.errors import Error

    return Error, OSError


def build_tracker(tracking: TrackingSettings, folder: Path, previous: Mapping[str, Any]) -> WandbTracker:
    """Build a tracker that starts a run or continues the previous one; it sends neither command line nor code.

    Args:
        tracking: Project, name and mode.
        folder: The run's folder; Weights & Biases writes to `wandb/` in it.
        previous: `WandbTracker.identity` of the run to continue; empty for a new one.

    Raises:
        ConfigError: The run cannot be started.
    """
    import wandb

    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False, x_disable_meta=True, init_timeout=INIT_TIMEOUT_S
    )
    try:
        run = wandb.init(
            project=tracking.experiment, name=tracking.name, dir=folder, id=previous.get("run"), resume="allow",
            mode=run_mode(tracking), settings=quiet, reinit="create_new",
        )  # fmt: skip
    except failures() as error:
        raise ConfigError(
            f"logger=wandb: the run cannot be started ({str(error).splitlines()[0][:300]}); tracking.mode=offline "
            "records it on this machine"
        ) from error
    return WandbTracker(project=tracking.experiment, save_dir=folder, experiment=run)
