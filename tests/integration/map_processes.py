"""`instageo map` in processes that tests kill."""

import os
import sys
from contextlib import contextmanager

from tests.fork_server import fork_context


@contextmanager
def running_map(log, *arguments, environment=None):
    """Start `instageo map` with these arguments, and end it with the block; yields the process.

    Args:
        log: File for what it writes.
        arguments: Those of the command.
        environment: Variables to set; the process does not have those that tests have set.
    """
    process = fork_context().Process(
        target=_map, args=(str(log), [str(argument) for argument in arguments], environment or {}), daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _map(log, arguments, environment):
    import torch

    from instageo.cli import main

    os.environ.update(environment)
    torch.set_num_threads(1)
    sys.argv = ["instageo", "map", *arguments]
    with open(log, "w", buffering=1) as file:
        sys.stdout = sys.stderr = file
        main()
