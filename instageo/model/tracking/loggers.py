"""The loggers of a training run that `logger` names; the package of each is imported only if it is named."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.extras import required_by
from instageo.model.settings import Settings
from instageo.model.settings.run_settings import chosen_loggers
from instageo.model.tracking.environment import is_first_process
from instageo.model.tracking.run_json import RUN_FILE, read_run_json

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

TRACKERS = ("mlflow", "wandb")
"""Loggers that send runs elsewhere.

Each has a module `…_tracker.py` here and an extra of its name. The module has the functions
`check_available(settings)`, `build_tracker(settings, folder, previous)` and `failures()`.
"""


def check_loggers_available(settings: Settings) -> None:
    """Raise, before any data are read, if a tracker cannot be used.

    Raises:
        MissingExtraError: A package is not installed.
        ConfigError: A server is not named or does not answer, or an account is missing.
    """
    for name in _tracker_names(settings):
        with required_by(f"logger={name}", name):
            _tracker_module(name).check_available(settings.tracking)


def build_loggers(settings: Settings, folder: Path) -> "list[Logger]":
    """Build the loggers that `logger` names: TensorBoard, which writes to `tensorboard/`, then the trackers.

    A resumed run continues its run at each tracker. `history.csv` is not written by a logger but by a callback.
    """
    from pytorch_lightning.loggers import TensorBoardLogger

    from instageo.model.tracking.resilient_logger import ResilientLogger

    loggers: list[Logger] = []
    previous = read_run_json(folder / RUN_FILE).get("trackers", {}) if settings.train.resume else {}
    if "tensorboard" in chosen_loggers(settings.logger):
        loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
    for name in _tracker_names(settings):
        module = _tracker_module(name)
        tracker = module.build_tracker(settings.tracking, folder, previous.get(name) or {})
        loggers.append(ResilientLogger(name, tracker, module.failures()))
    return loggers


def finalize_loggers(
    loggers: "Iterable[Logger]", scores: Mapping[str, float], checkpoint: Path, *, upload: bool
) -> None:
    """Send the final scores and the best checkpoint's path to the trackers and, with `upload`, the file itself."""
    from instageo.model.tracking.resilient_logger import ResilientLogger

    for logger in loggers:
        if isinstance(logger, ResilientLogger):
            logger.conclude(scores, checkpoint, upload=upload)


def _tracker_names(settings: Settings) -> list[str]:
    """Return the trackers this process sends to: of several processes, only the first sends anything."""
    return [name for name in chosen_loggers(settings.logger) if name in TRACKERS and is_first_process()]


def _tracker_module(name: str) -> Any:
    return import_module(f"instageo.model.tracking.{name}_tracker")
