"""`instageo` in processes that tests kill or stop, which begin soon since they are forked."""

import os
import sys
from contextlib import contextmanager

from tests.fork_server import fork_context


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
    process = fork_context().Process(target=_call, args=(str(log), variables, function, arguments))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def running_command(log, *arguments, environment=None):
    """Start `instageo` with these arguments; see `running`."""
    return running(log, _instageo, *map(str, arguments), environment=environment)


def _call(log, variables, function, arguments):
    import torch

    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    torch.set_num_threads(1)
    with open(log, "w", buffering=1) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        sys.stdout = sys.stderr = file
        function(*arguments)


def _instageo(*arguments):
    from instageo.cli import main

    sys.argv = ["instageo", *arguments]
    main()
