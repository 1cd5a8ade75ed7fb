"""Run modules of this package in other processes, without the code that lies in the working folder."""

import os
import sys
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parents[2]
"""Folder that this package is imported from."""


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package; see `module_environment`.

    Without `-P`, Python would import a `numpy.py` of the working folder, where users keep files of their own.

    Args:
        module: Its full name.
        arguments: What it is called with.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> dict[str, str]:
    """Return the environment in which `module_command` finds this package where this process has found it.

    A process that runs in a folder with the source code may have found it only there.
    """
    environment = dict(os.environ)
    unsafe = None if sys.flags.safe_path else Path(sys.path[0] if sys.path else "").absolute()
    if unsafe == PACKAGE_FOLDER:
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE_FOLDER), *([others] if others else [])])
    return environment
