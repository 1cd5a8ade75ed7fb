"""Compute one batch with a converted model in a process of its own, so that a crash of the runtime ends only that.

Run as `python -P -m instageo.model.backends.openvino_probe MODEL.xml PRECISION WORD`; it prints the word if it
succeeded.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from instageo.errors import BackendUnavailableError
from instageo.model.graphs.openvino_package import openvino_core
from instageo.runtime.own_modules import module_command, module_environment

TIME_LIMIT_S = 300
"""Seconds after which a process counts as failed."""


def check_in_own_process(model: Path, precision: str) -> None:
    """Check that a converted model can be computed here.

    Raises:
        BackendUnavailableError: It cannot.
    """
    word = uuid4().hex
    command = module_command(__spec__.name, str(model), precision, word)
    try:
        done = subprocess.run(  # noqa: S603 our own program
            command, capture_output=True, timeout=TIME_LIMIT_S, check=False, env=module_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailableError(f"a trial process failed ({error})") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else " ".join(lines[-1:])
        raise BackendUnavailableError(f"a trial process failed: {reason}")
    if word.encode() not in done.stdout.split():
        raise BackendUnavailableError("a trial process failed: it ended before it had computed a chip")


def reshape_to_single(model: Any) -> None:
    """Fix the batch of a model at one chip."""
    sides = {port.any_name: [side.get_length() for side in list(port.partial_shape)[1:]] for port in model.inputs}
    model.reshape({name: [1, *own] for name, own in sides.items()})


def main(path: str, precision: str, word: str) -> None:
    """Compile a model, compute one chip of zeros, and print a word."""
    core = openvino_core()
    model = core.read_model(path)
    reshape_to_single(model)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1})
    compiled([np.zeros(tuple(port.shape), np.float32) for port in model.inputs])
    sys.stdout.write(f"{word}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
