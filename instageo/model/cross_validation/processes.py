"""Run chains of commands in processes, several at a time, and report what each chain has ended with."""

import os
import subprocess
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.runtime.own_modules import module_environment

POLL_S = 0.1
"""Seconds between two looks at the processes."""

END_S = 30.0
"""Seconds that a process gets to end after it was asked to."""


@dataclass(frozen=True)
class LoggedCommand:
    """A command whose output goes to a file.

    Attributes:
        command: Program and arguments.
        log: File that everything it prints is written to.
    """

    command: Sequence[str]
    log: Path


@dataclass(eq=False)
class Chain:
    """Commands that run one after another, each in a process of its own.

    Attributes:
        name: What they do, for messages.
        steps: The commands; those that are done are removed.
        seconds: How long they have taken.
        error: Why the chain stopped; None if it did not.
    """

    name: str
    steps: list[LoggedCommand]
    seconds: float = 0.0
    error: str | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _start: float = 0.0

    def advance(self, threads: int | None) -> bool:
        """Start the next command once the one before it has ended, and return whether any is left."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return True
            self._process = None
            step = self.steps.pop(0)
            if status:
                self.error = f"{self.name}: {_last_error(step.log, status)}; see {step.log}"
                self.steps.clear()
        if not self.steps:
            self.seconds = time.monotonic() - self._start
            return False
        self._start = self._start or time.monotonic()
        self._process = _start(self.steps[0], threads)
        return True

    def stop(self) -> None:
        """Ask the command at hand to end, as SIGTERM does, and wait for its end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def run_chains(chains: Sequence[Chain], parallel: int) -> Generator[Chain, None, None]:
    """Run chains of commands, and yield each when it has ended, well or not.

    Processes that run at the same time share the cores. When this process is interrupted, those that run are, too.

    Args:
        chains: What to run, in this order.
        parallel: How many run at a time.
    """
    waiting, running = deque(chains), list[Chain]()
    threads = max((os.cpu_count() or 1) // parallel, 1) if parallel > 1 else None
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(waiting.popleft())
            ended = [chain for chain in running if not chain.advance(threads)]
            running = [chain for chain in running if chain not in ended]
            yield from ended
            if running and not ended:
                time.sleep(POLL_S)
    finally:
        for chain in running:
            chain.stop()


def _start(step: LoggedCommand, threads: int | None) -> "subprocess.Popen[bytes]":
    environment = module_environment()
    if threads:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    step.log.parent.mkdir(parents=True, exist_ok=True)
    with open(step.log, "wb") as file:
        return subprocess.Popen(  # noqa: S603 our own program
            list(step.command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )


def _last_error(log: Path, status: int) -> str:
    """Return the error that a command has printed, or how it ended."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
