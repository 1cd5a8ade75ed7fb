"""End a program without freeing its objects, which takes a second once PyTorch is loaded."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

_wait_for_threads: Callable[[], None] = vars(threading)["_shutdown"]
"""What Python itself calls first when it ends; `multiprocessing` ends its processes with it, too."""


def run_program(main: Callable[[], Any]) -> NoReturn:
    """Call the main function of a program, and end the process with the status that it returns or exits with.

    As in an ordinary end, threads are waited for, functions registered with `atexit` are called and streams are
    flushed. Only what the operating system frees anyway is not taken apart.
    """
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    if not isinstance(status, int | None):  # a text, which Python prints
        sys.exit(status)
    _wait_for_threads()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # None if the program was started without it
                stream.flush()
    except (OSError, ValueError):  # Python says so itself
        sys.exit(status)
    os._exit(status or 0)
