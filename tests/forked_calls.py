"""Functions in processes of their own that begin soon, since they are forked from one that has PyTorch loaded."""

import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests import warm_process


@contextmanager
def running(log, function, *arguments, environment=None):
    """Start a process that calls a function, in a session of its own; yield the process, and kill it with the block.

    Args:
        log: File for what it and its processes write.
        function: A function of a module.
        arguments: Its arguments.
        environment: Variables to set, besides those of this process.
    """
    variables = os.environ | (environment or {})
    with tempfile.NamedTemporaryFile(delete=False) as call:
        pickle.dump((function, arguments), call)
    with open(os.devnull) as nothing, open(log, "w") as output:
        streams = [each.fileno() for each in (nothing, output, output)]
        if warm_process.warm():
            process = warm_process.Program(warm_process.server(), __name__, [call.name], variables, streams)
        else:
            command = [sys.executable, "-m", __name__, call.name]
            stdin, stdout, stderr = streams
            process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=variables)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        Path(call.name).unlink(missing_ok=True)  # the process removes it if it gets so far


def running_command(log, *arguments, environment=None):
    """Start `instageo` with these arguments; see `running`."""
    return running(log, _instageo, *map(str, arguments), environment=environment)


def run_in_two(folder, function, *arguments):
    """Run a function in two processes at once; its first argument is the number of the process, 0 or 1."""
    logs = [folder / f"{number}.log" for number in (0, 1)]
    with running(logs[0], function, 0, *arguments) as first, running(logs[1], function, 1, *arguments) as second:
        assert (first.wait(), second.wait()) == (0, 0), "".join(log.read_text() for log in logs)


def _instageo(*arguments):
    from instageo.cli import main

    sys.argv = ["instageo", *arguments]
    main()


if __name__ == "__main__":
    import torch

    os.setsid()
    torch.set_num_threads(1)
    file = Path(sys.argv[1])
    function, arguments = pickle.loads(file.read_bytes())
    file.unlink()
    function(*arguments)
