"""Programs that tests start, forked from a process that has PyTorch, Lightning and the package loaded.

A program begins within a tenth of a second in place of seconds, and is a process of its own: with its folder,
environment, streams, signals and exit status. Only what is imported is shared, so tests of the start itself, of extras,
and of variables that are read while modules are imported start Python instead. Linux only; elsewhere Python is started.

This file is both ends: `python -m tests.warm_process NAME` waits for programs to start, and
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
from contextlib import contextmanager, suppress
from pathlib import Path

PRELOADED = (
    "pytorch_lightning", "instageo.cli", "instageo.model.hydra_job", "instageo.model.run_folder.claim",
    "instageo.model.commands.train", "instageo.model.commands.evaluate", "instageo.model.commands.chip_inference",
    "instageo.model.training.from_settings",
)  # fmt: skip
"""Modules that start no threads, which a fork would lose, and read no variables that tests set."""

STATUS = []
"""Exit status of this process once it has nothing left to do."""

NUMBER = struct.Struct("i")
"""How process IDs and exit statuses are sent."""


@contextmanager
def warm_commands():
    """Yield a function that returns the command which runs a module as a program, to be followed by its arguments."""
    if sys.platform != "linux":
        yield lambda module: [sys.executable, "-m", module]
        return
    name = f"instageo-tests-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.warm_process", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        yield lambda module: [sys.executable, "-I", "-S", __file__, name, module]
    # the end of its stdin has ended it


def address(name):
    """Return the address of a socket without a file."""
    return f"\0{name}"


def serve(name):
    """Import the modules, and fork a program for each connection until stdin is closed."""
    atexit.register(end_at_once)  # first, so that it runs after those of the modules
    gc.disable()
    for module in PRELOADED:
        __import__(module)
    gc.freeze()  # so that programs do not copy what they do not change
    gc.enable()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address(name))
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return run(connection)
            connection.close()
            reap()
    reap()
    STATUS.append(0)
    return None


def reap():
    """Take note of the children that have ended, so that their CPU time counts as that of this process."""
    with suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def run(connection):
    """Run the program that a client asks for in a further process, and tell the client its ID and its exit status."""
    content, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
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


def start(name, module, *arguments):
    """Start a program through the socket, and end as it does."""
    program = {"module": module, "arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address(name))
        socket.send_fds(connection, [json.dumps(program).encode()], [0, 1, 2])
        (number,) = NUMBER.unpack(connection.recv(NUMBER.size))
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda received, _: os.kill(number, received))
        (status,) = NUMBER.unpack(connection.recv(NUMBER.size))
    if status < 0:
        if -status in (signal.SIGINT, signal.SIGTERM):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else start(*sys.argv[1:])
