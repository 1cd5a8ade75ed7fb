"""A logger whose server may go away: the run goes on, and its user is told once."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytorch_lightning.loggers import Logger

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PATIENCE = 5
"""Failures in a row after which no more is sent: where a server does not answer at all, each takes seconds."""


class TrackerLogger(Protocol):
    """What `Lasting` asks of a tracker's logger, beside what Lightning does."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep scores."""

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Keep settings."""

    def finalize(self, status: str) -> None:
        """Learning has ended."""

    def identity(self) -> dict[str, Any]:
        """How the run is found again; begins it where it has not begun."""

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Keep the scores of the best epoch, where its checkpoint lies and, if asked for, the file; then close."""


class ResilientLogger(Logger):
    """Passes everything on to a tracker, and outlasts its failures.

    Args:
        title: Name of the tracker, as `logger` has it.
        tracker: It is passed on to.
        failures: What it raises when its server cannot be reached, or refuses.
    """

    def __init__(self, title: str, tracker: TrackerLogger, failures: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self.title, self.tracker, self.failures = title, tracker, failures
        self._failed = 0
        self._told = False

    @property
    def name(self) -> str:
        """Of the tracker."""
        return self.title

    @property
    def version(self) -> str | None:
        """None: where files go does not depend on trackers."""
        return None

    def _try(self, call: Callable[[], Answer]) -> Answer | None:
        """The answer of a call; None if it failed, or too many before it did."""
        if self._failed >= PATIENCE:
            return None
        try:
            answer = call()
        except self.failures as error:
            self._failed += 1
            self._tell(error)
            return None
        self._failed = 0
        return answer

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            log.warning(
                "logger=%s lacks a part of this run: %s; training goes on, history.csv has every epoch",
                self.title, reason,
            )  # fmt: skip

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Pass scores on."""
        self._try(lambda: self.tracker.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Pass settings on."""
        self._try(lambda: self.tracker.log_hyperparams(params))

    def finalize(self, status: str) -> None:
        """Pass on that learning has ended."""
        self._try(lambda: self.tracker.finalize(status))

    def identity(self) -> dict[str, Any] | None:
        """How the run is found at the tracker."""
        return self._try(self.tracker.identity)

    def conclude(self, scores: Mapping[str, float], checkpoint: Path, *, upload: bool) -> None:
        """Pass on what the run came to."""
        self._try(lambda: self.tracker.conclude(scores, checkpoint, upload=upload))
