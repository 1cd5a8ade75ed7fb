"""The loggers of a training run that `logger` names; what each needs is imported when it is named."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import MissingExtraError
from instageo.model.settings import Settings
from instageo.model.settings.tracking import chosen_loggers
from instageo.model.tracking.environment import is_first_process
from instageo.model.tracking.run_json import RUN_FILE, read_run_json

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

TRACKERS = ("mlflow", "wandb")
"""Loggers that keep runs elsewhere; each has a file `…_tracker.py` here and an extra of its name."""


@dataclass(frozen=True)
class Kind:
    """The functions of a tracker's file.

    Attributes:
        refuse: Raises before work begins where the tracker cannot be used.
        build: From settings, the run's folder and the identity of an earlier part to the tracker.
        failures: Gives the errors of a service that is gone.
    """

    refuse: Callable[[Any], None]
    build: Callable[[Any, Path, Mapping[str, Any]], Any]
    failures: Callable[[], tuple[type[Exception], ...]]


def check_loggers_available(settings: Settings) -> None:
    """Refuse, before any data are read, trackers that are not installed, not told where to go, or do not answer.

    Raises:
        MissingExtraError: A package is not installed.
        ConfigError: A server cannot be reached, or an account is missing.
    """
    for name in _trackers(settings):
        try:
            _kind(name).refuse(settings.tracking)
        except ImportError as error:
            raise MissingExtraError(
                f"logger={name} needs {error.name or name}, which is not installed; install the extra: "
                f"pip install 'instageo-model[{name}]', or train with logger=tensorboard"
            ) from error


def build_loggers(settings: Settings, folder: Path) -> "list[Logger]":
    """TensorBoard events in `tensorboard/`, and trackers, in the order of `logger`; the table is written by `History`.

    A run that goes on in its folder goes on at its trackers.
    """
    from pytorch_lightning.loggers import TensorBoardLogger

    from instageo.model.tracking.resilient_logger import ResilientLogger

    chosen: list[Logger] = []
    earlier = read_run_json(folder / RUN_FILE).get("trackers", {}) if settings.train.resume else {}
    if "tensorboard" in chosen_loggers(settings.logger):
        chosen.append(TensorBoardLogger(folder, name="tensorboard", version=""))
    for name in _trackers(settings):
        kind = _kind(name)
        tracker = kind.build(settings.tracking, folder, earlier.get(name) or {})
        chosen.append(ResilientLogger(name, tracker, kind.failures()))
    return chosen


def finalize_loggers(
    chosen: "Iterable[Logger]", scores: Mapping[str, float], checkpoint: Path, *, upload: bool
) -> None:
    """Tell trackers what a run came to."""
    from instageo.model.tracking.resilient_logger import ResilientLogger

    for logger in chosen:
        if isinstance(logger, ResilientLogger):
            logger.conclude(scores, checkpoint, upload=upload)


def _trackers(settings: Settings) -> list[str]:
    """Those to be told; of several processes the first alone tells them."""
    return [name for name in chosen_loggers(settings.logger) if name in TRACKERS and is_first_process()]


def _kind(name: str) -> Kind:
    module = import_module(f"instageo.model.training.{name}_tracker")
    return Kind(*(getattr(module, function) for function in (f"refuse_{name}", f"build_{name}", f"{name}_failures")))
