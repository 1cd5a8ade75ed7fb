"""A logger whose server may become unreachable: training goes on, and the user is warned once."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytorch_lightning.loggers import Logger

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_FAILURES = 5
"""Consecutive failures after which nothing more is sent: each can take seconds if a server does not answer at all."""


class TrackerLogger(Protocol):
    """The methods that `ResilientLogger` calls on a tracker's logger."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Store scores."""

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Store settings."""

    def finalize(self, status: str) -> None:
        """Note that training has ended."""

    def identity(self) -> dict[str, Any]:
        """Return how to find the run again; creates the run if it does not exist yet."""

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Store the scores of the best epoch, the path of its checkpoint and, with `upload`, the file; then close."""


class ResilientLogger(Logger):
    """Passes every call on to a tracker, and survives its failures.

    Args:
        title: Name of the tracker, as in the setting `logger`.
        tracker: Receives the calls.
        failures: Exceptions it raises if its server is unreachable or rejects a call.
    """

    def __init__(self, title: str, tracker: TrackerLogger, failures: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self.title, self.tracker, self.failures = title, tracker, failures
        self._consecutive_failures = 0
        self._warned = False

    @property
    def name(self) -> str:
        """Name of the tracker."""
        return self.title

    @property
    def version(self) -> str | None:
        """None: where files are written does not depend on trackers."""
        return None

    def _try(self, call: Callable[[], Result]) -> Result | None:
        """Return the result of a call; None if it fails, or after too many failures in a row."""
        if self._consecutive_failures >= MAX_FAILURES:
            return None
        try:
            result = call()
        except self.failures as error:
            self._consecutive_failures += 1
            self._warn_once(error)
            return None
        self._consecutive_failures = 0
        return result

    def _warn_once(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            log.warning(
                "logger=%s: a part of this run was not recorded (%s); training goes on, history.csv has every epoch",
                self.title, reason,
            )  # fmt: skip

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Pass on scores."""
        self._try(lambda: self.tracker.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Pass on settings."""
        self._try(lambda: self.tracker.log_hyperparams(params))

    def finalize(self, status: str) -> None:
        """Pass on that training has ended."""
        self._try(lambda: self.tracker.finalize(status))

    def identity(self) -> dict[str, Any] | None:
        """Return how to find the run at the tracker; None if that fails."""
        return self._try(self.tracker.identity)

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Pass on final scores and checkpoint."""
        self._try(lambda: self.tracker.conclude(scores, checkpoint, upload=upload))
