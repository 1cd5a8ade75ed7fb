"""Import OpenVINO and NNCF without their telemetry, which sends usage events and writes into the home folder."""

import sys
import threading
from importlib import import_module
from typing import Any

import numpy as np

from instageo.extras import required_by

TELEMETRY = "openvino_telemetry"
"""Package that both import if it can be imported; without it they send nothing."""


def import_openvino() -> Any:
    """Return the package `openvino`.

    Raises:
        MissingExtraError: It is not installed.
    """
    return _import_without_telemetry("openvino", "OpenVINO", "fast")


_core: list[Any] = []
"""The `Core` of this process, if it has one."""

_making_core = threading.Lock()


def openvino_core() -> Any:
    """Return the `Core` of this process, which lives until the process ends.

    OpenVINO's CPU plugin gives the thread that loads it a stack for signal handlers (sigaltstack), and takes it back
    from the thread that unloads it. If these differ, as when the last reference is dropped by a worker thread or by
    garbage collection, the next signal (Ctrl-C, or the end of a child process) ends the process with SIGSEGV; seen with
    OpenVINO 2026 on a CPU with AVX-512. So the plugin is loaded once, and never unloaded.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    with _making_core:
        if not _core:
            core = import_openvino().Core()
            _compute_first(core)
            _core.append(core)
    return _core[0]


def _compute_first(core: Any) -> None:
    """Compute a network of one layer, so that several threads may compute after it.

    OpenVINO's bindings prepare tables of types when they are first used. If two threads are the first, one may hold
    the tables and wait for Python's lock, and the other hold that lock and wait for the tables: for ever.
    """
    openvino = import_openvino()
    values = np.zeros((1, 1), np.float32)
    parameter = openvino.opset13.parameter(values.shape, np.float32)
    model = openvino.Model([openvino.opset13.relu(parameter)], [parameter], "first")
    request = core.compile_model(model, "CPU").create_infer_request()
    request.start_async({0: values}, share_inputs=True)
    request.wait()
    request.get_output_tensor().data.copy()


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
