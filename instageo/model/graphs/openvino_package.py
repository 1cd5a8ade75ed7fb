"""Import OpenVINO and NNCF without their telemetry, which sends usage events and writes into the home folder."""

import sys
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
