"""Settings of experiment trackers: the group `tracking`, and the key `logger`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.fields import Role, check, setting

LOGGERS = ("tensorboard", "mlflow", "wandb")
"""Valid names in `logger`, in addition to `none`."""


class TrackingMode(Enum):
    """Whether Weights & Biases uploads data."""

    auto = "auto"
    online = "online"
    offline = "offline"


@dataclass
class TrackingSettings:
    """Settings of MLflow and Weights & Biases: where to log a run, and under which name."""

    uri: str | None = setting(None, "MLflow's server; null: $MLFLOW_TRACKING_URI", Role.free_text)
    experiment: str = setting("instageo", "MLflow experiment or W&B project", Role.free_text)
    name: str | None = setting(None, "name of the run; null: chosen by the tracker", Role.free_text)
    mode: TrackingMode = setting(
        TrackingMode.auto,
        "W&B: online | offline | auto: as $WANDB_MODE, else online if $WANDB_API_KEY is set, else offline",
    )
    upload: bool = setting(False, "true: upload the best checkpoint to the tracker")

    def __post_init__(self) -> None:
        check(bool(self.experiment.strip()), "tracking.experiment", self.experiment, "a name")


def chosen_loggers(logger: object) -> list[str]:
    """Return the loggers that the key `logger` names; empty for `none` and null."""
    names = logger if isinstance(logger, list) else [logger]
    return [str(name) for name in names if name not in (None, "none")]


def check_loggers(logger: object) -> None:
    """Check that `logger` names existing loggers, each once.

    Raises:
        ConfigError: It does not.
    """
    names = chosen_loggers(logger)
    alone = not names or not isinstance(logger, list) or len(names) == len(logger)
    ok = alone and set(names) <= set(LOGGERS) and len(set(names)) == len(names)
    check(ok, "logger", logger, f"{', '.join(LOGGERS)}, none, or a list of different ones", LOGGERS)
