"""`run.json`: written when training begins, after every epoch, and when a run ends, however it ends."""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from instageo.errors import WriteError
from instageo.files import write_text
from instageo.locations import hide_secrets
from instageo.model.context import Run
from instageo.model.settings.compose import settings_to_dict
from instageo.model.tracking.energy import NOT_REQUESTED, EnergyMeter
from instageo.model.tracking.environment import (
    describe_machine,
    git_revision,
    is_first_process,
    package_versions,
    peak_memory,
)
from instageo.plain_values import load_json_file

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
FORMAT = 1

PART_KEYS = ("status", "error", "started", "ended", "wall_seconds", "command", "work", "energy", "memory")
"""Keys that are stored of each earlier part of a resumed run."""

INHERITED_KEYS = ("tables", "network", "scores", "trackers")
"""Keys that a resumed run takes from its earlier parts until it has values of its own."""

RUNNING, FINISHED, INTERRUPTED, FAILED, KILLED = "running", "finished", "interrupted", "failed", "killed"


class RunRecorder:
    """A context in which a command runs, that writes its `run.json` and, with `energy`, measures its energy.

    Of several processes of a run, only the first writes and measures.

    Args:
        run: The run; its command records what it does in `run.info`.
        command: The command line, as typed.
    """

    def __init__(self, run: Run, command: str) -> None:
        self.run, self.command = run, command
        self._started, self._start_time = _utc_now(), time.monotonic()
        self._is_first = is_first_process()
        self._meter: EnergyMeter | None = None
        self._code: dict[str, Any] = {}

    def __enter__(self) -> "RunRecorder":
        if self._is_first:
            self._code = {"versions": package_versions(), "git": git_revision(Path.cwd())}
            self.run.info.save = self.write_progress
            settings = self.run.settings
            try:
                if settings.energy:
                    self._meter = EnergyMeter(str(settings.energy_country))
                    self._meter.start()
            except BaseException as error:
                self.__exit__(type(error), error, None)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_first:
            return
        try:
            if self._meter:
                self._meter.stop()
        finally:
            if error is None or isinstance(error, KeyboardInterrupt):
                self._write(INTERRUPTED if error else FINISHED, None)
            else:
                self._write(FAILED, f"{error}" or type(error).__name__)

    def write_progress(self) -> None:
        """Write everything recorded up to now, in case the run is killed."""
        self._write(RUNNING, None)

    def _write(self, status: str, error: str | None) -> None:
        folder = self.run.info.folder or self.run.folder
        previous = read_run_json(folder / RUN_FILE) if self.run.info.resumed else {}
        try:
            write_json(folder / RUN_FILE, self._content(status, error, previous))
        except WriteError as problem:  # a run must not fail because of its metadata
            log.warning("%s", problem)

    def _content(self, status: str, error: str | None, previous: Mapping[str, Any]) -> dict[str, Any]:
        run, info = self.run, self.run.info
        content = {
            "format": FORMAT,
            "mode": run.settings.mode.value,
            "status": status,
            "error": error and error.splitlines()[0],
            "started": self._started,
            "ended": _utc_now(),
            "wall_seconds": round(time.monotonic() - self._start_time, 3),
            "command": self.command,
            "seed": run.settings.seed,
            **self._code,
            "machine": describe_machine(),
            **{name: getattr(info, name) or previous.get(name, {}) for name in INHERITED_KEYS},
            "work": info.work,
            "memory": peak_memory(),
            "energy": self._meter.summarize() if self._meter else NOT_REQUESTED,
            "configuration": info.configuration or settings_to_dict(run.settings),
        }
        earlier = previous_parts(previous, self._started)
        return content | {"earlier_parts": earlier, "total": sum_parts([*earlier, content])}


def read_run_json(path: Path) -> dict[str, Any]:
    """Return the content of a `run.json`; empty if the file is missing, damaged (logged) or of another format."""
    if not path.is_file():
        return {}
    try:
        content = load_json_file(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            return {}
        _check_kinds(content)
    except (OSError, ValueError) as error:
        log.warning("%s: is ignored, since it cannot be used (%s); remove it, or write it again", path, error)
        return {}
    return content


def _check_kinds(content: Mapping[str, Any]) -> None:
    """Raise ValueError if a value that is used has another kind than `RunRecorder` writes."""
    parts = content.get("earlier_parts", [])
    if not isinstance(parts, list):
        raise ValueError("earlier_parts is not a list")
    tables = content.get("tables") or {}
    mappings = {name: content.get(name) for name in (*INHERITED_KEYS, "work", "energy", "total")}
    mappings |= {f"earlier_parts.{number}": part for number, part in enumerate(parts)}
    if isinstance(tables, Mapping):
        mappings |= {f"tables.{name}": tables.get(name) for name in ("valid_filepath", "test_filepath")}
    wrong = [name for name, value in mappings.items() if value is not None and not isinstance(value, Mapping)]
    numbers = {f"total.{name}": value for name, value in (content.get("total") or {}).items()} if not wrong else {}
    wrong += [name for name, value in numbers.items() if value is not None and not isinstance(value, (int, float))]
    if wrong:
        raise ValueError(f"{wrong[0]} has another kind than expected")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all, converted with `to_json_value`."""
    write_text(path, json.dumps(to_json_value(content), indent=2, allow_nan=False) + "\n")


def to_json_value(value: Any) -> Any:
    """Return a value as JSON can store it: without secrets in URLs, and None for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): to_json_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, type(None))) else hide_secrets(str(value))


def previous_parts(content: Mapping[str, Any], started: str) -> list[dict[str, Any]]:
    """Return the parts of a run that earlier processes did, oldest first.

    Args:
        content: The previous `run.json`; may be empty.
        started: When this process started; its own part is left out.
    """
    parts: list[dict[str, Any]] = content.get("earlier_parts", [])
    if content.get("started") in (None, started):
        return parts
    part = {key: content.get(key) for key in PART_KEYS}
    if part["status"] == RUNNING:
        part["status"] = KILLED  # a killed process cannot record that itself
    return [*parts, part]


def sum_parts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return sums over the parts of a run; energy and CO2 are None unless every part measured them."""

    def add(*keys: str) -> float | None:
        values = [_nested(part, keys) for part in parts]
        return None if None in values else sum(values)

    epochs = [count for part in parts if (count := _nested(part, ("work", "epochs"))) is not None]
    return {
        "parts": len(parts),
        "wall_seconds": add("wall_seconds"),
        "epochs": sum(epochs) if epochs else None,
        "energy_kwh": add("energy", "energy_kwh"),
        "co2_kg": add("energy", "co2_kg"),
    }


def _nested(content: Any, keys: Sequence[str]) -> Any:
    """Return the value at a path of keys, or None if a key is missing."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
