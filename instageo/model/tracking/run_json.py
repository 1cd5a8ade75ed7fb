"""`run.json`: written when training begins, after every epoch, and when a run ends, however it ends."""

import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from instageo.locations import hide_secrets
from instageo.model.context import Run
from instageo.model.settings.compose import settings_to_dict
from instageo.model.tracking.energy import NOT_ASKED, EnergyMeter
from instageo.model.tracking.environment import (
    describe_machine,
    git_revision,
    is_first_process,
    package_versions,
    peak_memory,
)

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
FORMAT = 1

PART = ("status", "error", "started", "ended", "wall_seconds", "command", "work", "energy", "memory")
"""What is kept of earlier parts of a run that was resumed."""

KEPT = ("tables", "network", "scores", "trackers")
"""What stays as earlier parts have found it until this process finds it."""

RUNNING, FINISHED, INTERRUPTED, FAILED, KILLED = "running", "finished", "interrupted", "failed", "killed"


class RunRecorder:
    """Keeps a run's accounts while it lasts, and measures its energy if `energy` asks for it.

    Entered before a command runs and left after it. Of several processes the first alone keeps accounts.

    Args:
        run: What runs; it info what it finds in `run.info`.
        command: The command as typed.
    """

    def __init__(self, run: Run, command: str) -> None:
        self.run, self.command = run, command
        self._started, self._clock = _now(), time.monotonic()
        self._first = is_first_process()
        self._meter: EnergyMeter | None = None
        self._place: dict[str, Any] = {}

    def __enter__(self) -> "RunRecorder":
        if self._first:
            self._place = {"versions": package_versions(), "git": git_revision(Path.cwd())}
            self.run.info.keep = self.keep
            try:
                self._measure()
            except BaseException as error:
                self.__exit__(type(error), error, None)
                raise
        return self

    def _measure(self) -> None:
        settings = self.run.settings
        if settings.energy:
            self._meter = EnergyMeter(str(settings.energy_country))
            self._meter.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._first:
            return
        try:
            if self._meter:
                self._meter.stop()
        finally:
            if error is None or isinstance(error, KeyboardInterrupt):
                self._write(INTERRUPTED if error else FINISHED, None)
            else:
                self._write(FAILED, f"{error}" or type(error).__name__)

    def keep(self) -> None:
        """Write down what is known so far, for a run that may be killed."""
        self._write(RUNNING, None)

    def _write(self, status: str, error: str | None) -> None:
        path = (self.run.info.folder or self.run.folder) / RUN_FILE
        before = read_run_json(path) if self.run.info.resumed else {}
        try:
            write_json(path, self._content(status, error, before))
        except OSError as problem:  # the work is worth more than its accounts
            log.warning("%s cannot be written: %s", path, problem.strerror)

    def _content(self, status: str, error: str | None, before: Mapping[str, Any]) -> dict[str, Any]:
        run, info = self.run, self.run.info
        noted = {name: getattr(info, name) or before.get(name, {}) for name in KEPT}
        content = {
            "format": FORMAT,
            "mode": run.settings.mode.value,
            "status": status,
            "error": error and error.splitlines()[0],
            "started": self._started,
            "ended": _now(),
            "wall_seconds": round(time.monotonic() - self._clock, 3),
            "command": self.command,
            "seed": run.settings.seed,
            **self._place,
            "machine": describe_machine(),
            **noted,
            "work": info.work,
            "memory": peak_memory(),
            "energy": self._meter.so_far() if self._meter else NOT_ASKED,
            "configuration": info.configuration or settings_to_dict(run.settings),
        }
        earlier = previous_parts(before, self._started)
        return content | {"earlier_parts": earlier, "total": sum_parts([*earlier, content])}


def previous_parts(content: Mapping[str, Any], started: str) -> list[dict[str, Any]]:
    """The parts of a run that other processes did before, oldest first.

    Args:
        content: The `run.json` that was there; it may be empty.
        started: When this process began; its own part is not among them.
    """
    parts: list[dict[str, Any]] = content.get("earlier_parts", [])
    if content.get("started") in (None, started):
        return parts
    part = {key: content.get(key) for key in PART}
    if part["status"] == RUNNING:
        part["status"] = KILLED  # it could not say so itself
    return [*parts, part]


def read_run_json(path: Path) -> dict[str, Any]:
    """A `run.json` of this format; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == FORMAT else {}


def sum_parts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over the parts of a run; None for energy and CO2 that were not measured in all of them."""

    def add(*path: str) -> float | None:
        values = [_at(part, path) for part in parts]
        return None if None in values else sum(values)

    epochs = [count for part in parts if (count := _at(part, ("work", "epochs"))) is not None]
    return {
        "parts": len(parts),
        "wall_seconds": add("wall_seconds"),
        "epochs": sum(epochs) if epochs else None,
        "energy_kwh": add("energy", "energy_kwh"),
        "co2_kg": add("energy", "co2_kg"),
    }


def _at(content: Any, path: Sequence[str]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all: without secrets of URLs, and null for what is no finite number."""
    temporary = path.with_name(f".{path.name}.part")
    text = json.dumps(to_json_value(content), indent=2, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)


def to_json_value(value: Any) -> Any:
    """A value as JSON holds it, secrets of URLs left out."""
    if isinstance(value, Mapping):
        return {str(key): to_json_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, type(None))) else hide_secrets(str(value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
