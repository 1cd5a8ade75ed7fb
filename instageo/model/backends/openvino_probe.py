"""Compute one batch with a converted model in a process of its own, so that a crash of the runtime ends only that.

Run as `python -m instageo.model.backends.openvino_probe MODEL.xml PRECISION`; the exit status is 0 if it succeeded.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from instageo.errors import BackendUnavailableError
from instageo.model.graphs.openvino_package import import_openvino

TIME_LIMIT_S = 300
"""Seconds after which a process counts as failed."""


def check_in_own_process(model: Path, precision: str) -> None:
    """Check that a converted model can be computed here.

    Raises:
        BackendUnavailableError: It cannot.
    """
    command = [sys.executable, "-m", __spec__.name, str(model), precision]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailableError(f"a trial process failed ({error})") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else " ".join(lines[-1:])
        raise BackendUnavailableError(f"a trial process failed: {reason}")


def reshape_to_single(model: Any) -> None:
    """Fix the batch of a model at one chip."""
    sides = {port.any_name: [side.get_length() for side in list(port.partial_shape)[1:]] for port in model.inputs}
    model.reshape({name: [1, *own] for name, own in sides.items()})


def main(path: str, precision: str) -> None:
    """Compile a model and compute one chip of zeros."""
    openvino = import_openvino()
    core = openvino.Core()
    model = core.read_model(path)
    reshape_to_single(model)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1})
    compiled([np.zeros(tuple(port.shape), np.float32) for port in model.inputs])


if __name__ == "__main__":
    main(*sys.argv[1:])
