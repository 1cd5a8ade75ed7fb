"""What trials on this machine have shown, by network, in the user's cache."""

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from instageo.errors import DataError, WriteError
from instageo.files import write_text
from instageo.locations import user_cache
from instageo.model.backends.backend import BackendChoice, NetworkSource
from instageo.model.backends.cpu_features import cpu_features, cpu_name
from instageo.plain_values import load_json_file
from instageo.version import __version__

RUNTIMES = ("torch", "openvino", "onnxruntime", "onnxscript")
"""Packages whose versions decide."""


@dataclass(frozen=True)
class RememberedTrial:
    """What an earlier trial has shown.

    Attributes:
        torch_speed: Chips per second of PyTorch in float32.
        choice: What was chosen; None if there was too little work to try others.
        speed: Its chips per second.
        agreement: Share of pixels on which it agreed with PyTorch in float32.
    """

    torch_speed: float
    choice: BackendChoice | None = None
    speed: float | None = None
    agreement: float | None = None


class TrialMemory:
    """What was remembered of one network under one request, on this machine with these versions.

    Args:
        network: The network.
        request: The request.
        num_callers: Threads that compute batches at the same time.
    """

    def __init__(self, network: NetworkSource, request: BackendChoice, num_callers: int = 1) -> None:
        self._key = {
            "network": network.checksum,
            "int8": network.int8 and dict(network.int8.checksums),
            "shape": repr(network.shape),
            "request": str(request),
            "callers": num_callers,
            "machine": _describe_machine(network.device),
            "versions": {"instageo": __version__, **{name: _version(name) for name in RUNTIMES}},
        }
        digest = sha256(json.dumps(self._key, sort_keys=True).encode()).hexdigest()
        self.path: Path = user_cache() / "engine_trials" / f"{digest}.json"

    def read(self) -> RememberedTrial | None:
        """Return what was remembered; None if nothing was, or the file is damaged or of something else."""
        with suppress(OSError, ValueError, TypeError, KeyError, DataError):
            stored = load_json_file(self.path)
            if isinstance(stored, dict) and stored["key"] == self._key:
                return _parse(stored["trial"])
        return None

    def write(self, trial: RememberedTrial) -> None:
        """Remember a trial; without a folder that can be written to, nothing is remembered."""
        content = {"key": self._key, "trial": vars(trial)}
        with suppress(WriteError, OSError):
            write_text(self.path, json.dumps(content, indent=1))

    def forget(self) -> None:
        """Remove what was remembered."""
        with suppress(OSError):
            self.path.unlink()


def _parse(stored: dict[str, Any]) -> RememberedTrial:
    choice = stored["choice"]
    speeds = [stored["torch_speed"], *(stored[name] for name in ("speed", "agreement") if choice is not None)]
    if not all(isinstance(value, float) and value > 0 for value in speeds):
        raise ValueError("a speed is not a positive number")
    if choice is None:
        return RememberedTrial(stored["torch_speed"])
    backend, precision = map(str, choice)
    return RememberedTrial(
        stored["torch_speed"], BackendChoice(backend, precision), stored["speed"], stored["agreement"]
    )


def _describe_machine(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return {
        "device": [device.type, name],
        "features": sorted(cpu_features()),
        "threads": [torch.get_num_threads(), os.cpu_count()],
        "platform": sys.platform,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
