"""Programs that tests start, forked from a process that has PyTorch, Lightning and the package loaded.

A program begins within a tenth of a second in place of seconds, and is a process of its own: with its folder,
environment, streams, signals and exit status. Only what is imported is shared, so tests of the start itself, of extras,
and of variables that are read while modules are imported start Python instead. Linux only; elsewhere Python is started.

All processes of a test run share one server, which the first of them starts and which ends with the last. This file is
both ends: `python -m tests.warm_process NAME` waits for programs to start, and
`python tests/warm_process.py NAME MODULE ARGUMENTS…` starts one, passes SIGINT and SIGTERM on, and ends as it does.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

PRELOADED = (
    "pytorch_lightning", "instageo.cli", "instageo.model.hydra_job", "instageo.model.run_folder.claim",
    "instageo.model.commands.train", "instageo.model.commands.evaluate", "instageo.model.commands.chip_inference",
    "instageo.model.training.from_settings", "instageo.model.map_jobs.from_settings",
    "instageo.model.metrics.regression", "instageo.model.metrics.segmentation", "hypothesis", "pytest", "scipy.stats",
    "sklearn.metrics",
)  # fmt: skip
"""Modules that start no threads, which a fork would lose, and read no variables that tests set."""

STATUS = []
"""Exit status of this process once it has nothing left to do."""

NUMBER = struct.Struct("i")
"""How process IDs and exit statuses are sent."""


HOLD = b"hold"
"""What a process sends that needs the server until its connection ends."""

START_S = 600
"""Seconds within which the server must have started on a busy machine."""

HELD, STARTED = [], []
"""Connections of this process that hold the server; the server if this process has started it."""


def command(module):
    """Return the command which runs a module as a program, to be followed by its arguments."""
    return [sys.executable, "-I", "-S", __file__, server(), module] if warm() else [sys.executable, "-m", module]


def warm():
    """Return whether programs can be forked here."""
    return sys.platform == "linux"


@cache
def server():
    """Return the name of the server of this test run, which is started if no other process has."""
    name = f"instageo-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    deadline = time.monotonic() + START_S
    atexit.register(release)
    while time.monotonic() < deadline:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address(name))
            connection.sendall(HOLD)
            if connection.recv(len(HOLD)) == HOLD:  # once all is imported
                HELD.append(connection)
                return name
        except OSError:  # nobody listens, or no longer
            if any(process.poll() for process in STARTED):
                raise
            STARTED.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.warm_process", name], stdin=subprocess.DEVNULL,
                    start_new_session=True, cwd=Path(__file__).parents[1],
                )
            )  # fmt: skip
            time.sleep(0.2)
        connection.close()
    raise TimeoutError("the process that programs of tests are forked from has not started")


def release():
    """Hold the server no longer, which goes on for other processes."""
    for connection in HELD:
        connection.close()
    for process in STARTED:
        process.returncode = 0  # not waited for


def address(name):
    """Return the address of a socket without a file."""
    return f"\0{name}"


def serve(name):
    """Import the modules, and fork a program for each connection until no process holds this one any more."""
    atexit.register(end_at_once)  # first, so that it runs after those of the modules
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(address(name))
        except OSError:  # another process was quicker
            return STATUS.append(0)
        listener.listen(128)
        gc.disable()
        for module in PRELOADED:
            __import__(module)
        gc.freeze()  # so that programs do not copy what they do not change
        gc.enable()
        holders, held = set(), False
        while holders or not held:
            for ready in select.select([listener, *holders], [], [])[0]:
                if ready is not listener:
                    ready.close()
                    holders.remove(ready)
                    continue
                connection, _ = listener.accept()
                content, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
                if content == HOLD:
                    connection.sendall(HOLD)
                    holders.add(connection)
                    held = True
                    continue
                if content and os.fork() == 0:
                    return run(connection, content, streams)
                for descriptor in streams:
                    os.close(descriptor)
                connection.close()
                reap()
    return STATUS.append(0)


def reap():
    """Take note of the children that have ended, so that their CPU time counts as that of this process."""
    with suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def run(connection, content, streams):
    """Run the program that a client asks for in a further process, and tell the client its ID and its exit status."""
    program = json.loads(content)
    number = os.fork()
    if number:
        connection.sendall(NUMBER.pack(number))
        end = os.pidfd_open(number)
        if end not in select.select([end, connection], [], [])[0]:  # the client was killed
            os.kill(number, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        with suppress(OSError):
            connection.sendall(NUMBER.pack(status))
        os._exit(0)
    connection.close()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdin = sys.__stdin__ = os.fdopen(0)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w")
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(program["environment"])
    os.chdir(program["folder"])
    sys.path[0], sys.argv = program["folder"], ["", *program["arguments"]]
    if "OMP_NUM_THREADS" in os.environ:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sys.modules.pop(program["module"], None)
    try:
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)
        STATUS.append(0)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            STATUS.append(end.code or 0)
        raise
    except Exception:
        STATUS.append(1)
        raise


def end_at_once():
    """End the process without the destruction of all modules, which takes a second."""
    if STATUS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(STATUS[0])


class Program:
    """A program of the server, as `subprocess.Popen` has it: with `pid`, `returncode` and the methods used here.

    Args:
        name: Name of the server.
        module: What runs.
        arguments: Its arguments.
        environment: Its variables.
        streams: Descriptors of its stdin, stdout and stderr.
    """

    def __init__(self, name, module, arguments, environment, streams):
        program = {"module": module, "arguments": arguments, "folder": str(Path.cwd()), "environment": environment}
        self.returncode, self._connection = None, socket.socket(socket.AF_UNIX)
        self._connection.connect(address(name))
        socket.send_fds(self._connection, [json.dumps(program).encode()], streams)
        self.pid = self._receive()

    def _receive(self):
        (number,) = NUMBER.unpack(self._connection.recv(NUMBER.size))
        return number

    def poll(self):
        """Return the exit status, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        """Wait until it has ended, and return its exit status."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self.returncode = self._receive()
            self._connection.close()
        return self.returncode

    def send_signal(self, number):
        """Send it a signal if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def terminate(self):
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(name, module, *arguments):
    """Start a program through the socket, and end as it does."""
    program = Program(name, module, arguments, dict(os.environ), [0, 1, 2])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: os.kill(program.pid, received))
    status = program.wait()
    if status < 0:
        if -status in (signal.SIGINT, signal.SIGTERM):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else start(*sys.argv[1:])
