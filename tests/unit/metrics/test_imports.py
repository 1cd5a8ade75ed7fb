"""Metrics need PyTorch only; the adapter to torchmetrics is imported on its own."""

import subprocess
import sys

import pytest

CODE = """
import importlib, pkgutil, sys
import instageo.model.metrics as package
for module in pkgutil.iter_modules(package.__path__):
    if module.name != "torchmetrics_adapter":
        importlib.import_module(f"{package.__name__}.{module.name}")
print(*(name for name in ("torch", "torchmetrics", "pytorch_lightning") if name in sys.modules))
"""


@pytest.mark.slow
def test_importing_metrics_does_not_import_torchmetrics():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["torch"]
