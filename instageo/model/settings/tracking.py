"""Settings of the trackers a run is told to: the group `tracking`, and the key `logger`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.checks import check
from instageo.model.settings.fields import setting

LOGGERS = ("tensorboard", "mlflow", "wandb")
"""What `logger` may name beside `none`."""


class TrackingMode(Enum):
    """Whether Weights & Biases sends what it gets."""

    auto = "auto"
    online = "online"
    offline = "offline"


@dataclass
class TrackingSettings:
    """Where MLflow and Weights & Biases keep a run, and under which name."""

    uri: str | None = setting(None, "MLflow's server; null: $MLFLOW_TRACKING_URI")
    experiment: str = setting("instageo", "MLflow's experiment, W&B's project")
    name: str | None = setting(None, "name of the run; null: chosen by the tracker")
    mode: TrackingMode = setting(
        TrackingMode.auto, "W&B: online | offline | auto: online if $WANDB_API_KEY is set, else offline"
    )
    upload: bool = setting(False, "true: upload the best checkpoint to the tracker")

    def __post_init__(self) -> None:
        check(bool(self.experiment.strip()), "tracking.experiment", self.experiment, "a name")


def chosen_loggers(logger: object) -> list[str]:
    """The loggers that the key `logger` names; empty for `none` and null."""
    names = logger if isinstance(logger, list) else [logger]
    return [str(name) for name in names if name not in (None, "none")]


def check_loggers(logger: object) -> None:
    """Refuse a `logger` that names something else, or one twice.

    Raises:
        ConfigError: It does.
    """
    names = chosen_loggers(logger)
    alone = not names or not isinstance(logger, list) or len(names) == len(logger)
    known = alone and set(names) <= set(LOGGERS) and len(set(names)) == len(names)
    check(known, "logger", logger, f"{', '.join(LOGGERS)}, none, or a list of different ones")
