"""Import OpenVINO and NNCF without their telemetry, which sends usage events and writes into the home folder."""

import sys
from functools import cache
from importlib import import_module
from typing import Any

from instageo.extras import required_by

TELEMETRY = "openvino_telemetry"
"""Package that both import if it can be imported; without it they send nothing."""


def import_openvino() -> Any:
    """Return the package `openvino`.

    Raises:
        MissingExtraError: It is not installed.
    """
    return _import_without_telemetry("openvino", "OpenVINO", "fast")


@cache
def openvino_core() -> Any:
    """Return the `Core` of this process, which lives until the process ends.

    OpenVINO's CPU plugin gives the thread that loads it a stack for signal handlers (sigaltstack), and takes it back
    from the thread that unloads it. If these differ, as when the last reference is dropped by a worker thread or by
    garbage collection, the next signal (Ctrl-C, or the end of a child process) ends the process with SIGSEGV; seen with
    OpenVINO 2026 on a CPU with AVX-512. So the plugin is loaded once, and never unloaded.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    return import_openvino().Core()


def import_nncf() -> Any:
    """Return the package `nncf`, which quantises networks.

    Raises:
        MissingExtraError: It is not installed.
    """
    return _import_without_telemetry("nncf", "int8", "export")


def _import_without_telemetry(package: str, feature: str, extra: str) -> Any:
    sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # as Python marks modules not to be imported
    with required_by(feature, extra):
        return import_module(package)
