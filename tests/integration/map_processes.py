"""`instageo map` in processes that tests kill: forked from one that has the program loaded, so that they begin soon."""

import multiprocessing
import os
import sys
from contextlib import contextmanager

_PROGRAM = ["instageo.cli", "instageo.model.map_jobs.from_settings", "tests.integration.map_processes"]


@contextmanager
def running_map(log, *arguments, environment=None):
    """Start `instageo map` with these arguments, and end it with the block; yields the process.

    Args:
        log: File for what it writes.
        arguments: Those of the command.
        environment: Variables to set; the process does not have those that tests have set.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PROGRAM)
    process = context.Process(
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
