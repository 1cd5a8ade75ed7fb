"""Run an order in a process of its own, which may crash or run out of memory without harm to the server."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from instageo.area_maps.job_messages import JobOrder
from instageo.runtime.own_modules import module_command
from instageo.serving.jobs.environment import job_environment

DEFAULT_COMMAND = tuple(module_command("instageo.area_maps.job_runner"))

GRACE_S = 15.0
"""Seconds between SIGTERM and SIGKILL."""

MAX_LINE = 1 << 20
"""Longest line that a process may write, characters."""

POLL_S = 0.5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """How a process has ended.

    Attributes:
        error: One sentence; None if it did what it was asked for.
        plan: The plan, if one was asked for.
        missing: What it could not do of what it was asked for: one sentence, or an empty text.
        stopped: Whether it was stopped, and ended after that.
    """

    error: str | None = None
    plan: dict[str, Any] | None = None
    missing: str = ""
    stopped: bool = False


@dataclass
class _Messages:
    done: bool = False
    error: str | None = None
    plan: dict[str, Any] | None = None
    missing: str = ""


class JobProcess:
    """A process that does one order.

    Args:
        order: What it is to do.
        log: File for its standard error.
        command: The program; its first line of input is the order.
    """

    def __init__(self, order: JobOrder, log: Path, command: Sequence[str] = DEFAULT_COMMAND) -> None:
        self.order, self.log, self.command = order, log, list(command)
        self._stop = threading.Event()
        self.reason: str | None = None

    def stop(self, reason: str | None = None) -> None:
        """Have the process end: by SIGTERM, and after some time by SIGKILL.

        Args:
            reason: Sentence for the error of its outcome; None if somebody asked for it.
        """
        self.reason = self.reason or reason
        self._stop.set()

    def run(self, progress: Progress, check: Callable[[], None] = lambda: None) -> Outcome:
        """Run until the end, and return how it ended.

        Args:
            progress: Called with each sentence of the process, the steps that are done, and all of them.
            check: Called now and then while it runs.
        """
        if self._stop.is_set():
            return Outcome(self.reason, stopped=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # the package's own module
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=job_environment(),
                start_new_session=True, text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
        messages = _Messages()
        reader = threading.Thread(target=_read_messages, args=(process.stdout, messages, progress), daemon=True)
        reader.start()
        try:
            _send_order(process, self.order)
            self._wait(process, check)
        finally:
            _kill_group(process.pid, signal.SIGKILL)  # what the process has left of its own
            process.wait()
            reader.join(GRACE_S)
            with suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]
        return self._outcome(process.returncode, messages)

    def _wait(self, process: "subprocess.Popen[str]", check: Callable[[], None]) -> None:
        end = None
        while process.poll() is None:
            if self._stop.is_set():
                if end is None:
                    end = time.monotonic() + GRACE_S
                    _kill_group(process.pid, signal.SIGTERM)
                elif time.monotonic() > end:
                    return
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S / 5)
            else:
                check()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)

    def _outcome(self, status: int, messages: _Messages) -> Outcome:
        if messages.done or messages.plan is not None:
            return Outcome(plan=messages.plan, missing=messages.missing)
        if self._stop.is_set():
            return Outcome(self.reason, stopped=True)
        if messages.error is not None:
            return Outcome(messages.error)
        if status == -signal.SIGKILL:
            return Outcome("the process of the job was killed, perhaps since memory ran out; ask for a smaller area")
        return Outcome(
            f"the process of the job ended unexpectedly (status {status}); the server's operator has its log"
        )


def _send_order(process: "subprocess.Popen[str]", order: JobOrder) -> None:
    """Send the order; the pipe stays open, since its end would mean that the server has died."""
    with suppress(BrokenPipeError):  # it has ended already, and its outcome says so
        process.stdin.write(json.dumps(order.to_json()) + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]


def _read_messages(lines: IO[str], messages: _Messages, progress: Progress) -> None:
    while line := lines.readline(MAX_LINE):
        try:
            values = json.loads(line)
            if "progress" in values:
                text, done, total = values["progress"]
                progress(str(text)[:500], max(0, int(done)), max(0, int(total)))
            elif "error" in values:
                messages.error = str(values["error"])[:2000]
            elif "plan" in values:
                messages.plan = dict(values["plan"])
            elif values.get("done"):
                messages.done, messages.missing = True, str(values.get("missing") or "")[:2000]
        except (ValueError, TypeError, KeyError):  # not one of our lines
            continue


def _kill_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
