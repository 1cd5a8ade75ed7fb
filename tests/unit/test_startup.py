"""Packages that take seconds to import are imported only where they are needed."""

import json
import subprocess
import sys

import pytest

from instageo.model.hydra_job import COMMANDS

SLOW = {
    "torch", "torch._dynamo", "hydra", "numpy", "rasterio", "matplotlib", "pytorch_lightning", "lightning_fabric",
    "torchmetrics", "scipy", "pandas", "pyarrow", "fsspec", "huggingface_hub", "tensorboard", "peft",
    "kornia",
}  # fmt: skip


def imported_after(*steps):
    """Return which of the slow packages a new process has imported after each of these modules."""
    code = "\n".join(f"import {step}; print(json.dumps(sorted(sys.modules)))" for step in steps)
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}"], capture_output=True, text=True, check=True
    )
    return [SLOW & set(json.loads(line)) for line in done.stdout.splitlines()]


def test_slow_packages_are_imported_where_they_are_needed():
    modes = [module for module, _ in COMMANDS.values()]
    line, run, *later = imported_after(
        "instageo, instageo.cli", "instageo.model.hydra_job", "instageo.model.inference.predictor", *modes
    )
    assert line == set()
    assert run == {"hydra"}
    assert set(map(frozenset, later)) == {frozenset({"hydra", "torch", "numpy", "rasterio"})}


def test_the_process_that_starts_a_server_stays_small():
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    [starts] = imported_after("instageo.serving.app")
    assert starts <= {"numpy", "pandas", "pyarrow", "fsspec"}  # of Ray
