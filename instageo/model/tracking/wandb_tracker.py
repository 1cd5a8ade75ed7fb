"""Weights & Biases as a tracker of training runs, through Lightning's logger; without an account it stays offline."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from instageo.errors import ConfigError
from instageo.model.settings import TrackingSettings
from instageo.model.settings.tracking import TrackingMode
from instageo.model.tracking.run_json import to_json_value

START_S = 30
"""Seconds that the service may take to answer when a run begins."""


class WandbTracker(WandbLogger):
    """A run of Weights & Biases: settings as config, scores of every epoch, and what the run came to."""

    def identity(self) -> dict[str, Any]:
        """The project and run; its address once it is online."""
        run = self.experiment
        return {"project": self._project, "run": run.id, "url": None if run.offline else run.url}

    def log_hyperparams(self, params: Any) -> None:
        """Keep settings."""
        super().log_hyperparams(to_json_value(params))

    def finalize(self, status: str) -> None:
        """Close a run that failed; one that succeeded is closed by `conclude`."""
        if status == "failed":
            self.experiment.finish(exit_code=1)

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Keep final scores as `best_…` and the checkpoint's place in the summary and, if asked for, the file."""
        run = self.experiment
        best = {f"best_{name}": value for name, value in scores.items()}
        run.summary.update({**best, "best_checkpoint": str(checkpoint)})
        if upload:
            run.log_model(checkpoint)
        run.finish()


def mode_of(tracking: TrackingSettings) -> Any:
    """Online or offline: as `tracking.mode` says, else $WANDB_MODE, else online where $WANDB_API_KEY is set."""
    if tracking.mode is not TrackingMode.auto:
        return tracking.mode.value
    return os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")


def refuse_wandb(tracking: TrackingSettings) -> None:
    """Refuse to go online without an account, for which Weights & Biases would ask.

    Raises:
        ConfigError: `tracking.mode=online` and there is no key.
        ImportError: wandb is not installed.
    """
    import wandb

    if mode_of(tracking) == "online" and not wandb.api.api_key:
        raise ConfigError(
            "logger=wandb: tracking.mode=online needs a key of Weights & Biases; set $WANDB_API_KEY or run `wandb "
            "login`, or leave tracking.mode out and send the run later with `wandb sync`"
        )


def wandb_failures() -> tuple[type[Exception], ...]:
    """What Weights & Biases raises when its service is gone or refuses."""
    from wandb.errors import Error

    return Error, OSError


def build_wandb(tracking: TrackingSettings, folder: Path, earlier: Mapping[str, Any]) -> WandbTracker:
    """A tracker that begins a run, or goes on with an earlier one; it tells neither command line nor code.

    Raises:
        ConfigError: The run cannot be begun.
    """
    import wandb

    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False, x_disable_meta=True, init_timeout=START_S
    )
    try:
        run = wandb.init(
            project=tracking.experiment, name=tracking.name, dir=folder, id=earlier.get("run"), resume="allow",
            mode=mode_of(tracking), settings=quiet, reinit="create_new",
        )  # fmt: skip
    except wandb_failures() as error:
        raise ConfigError(
            f"logger=wandb: the run cannot begin ({str(error).splitlines()[0][:300]}); tracking.mode=offline keeps it "
            "on this machine"
        ) from error
    return WandbTracker(project=tracking.experiment, save_dir=folder, experiment=run)
