"""What NNCF refuses is an error of ours."""

import subprocess
import sys

import pytest
import torch

from instageo.model.graphs.program import trace

pytest.importorskip("nncf", reason="the extra `export` is not installed")

from instageo.model.graphs.openvino_graph import convert_program
from instageo.model.graphs.quantization import QuantizationError, quantize_openvino


def test_an_error_of_nncf_is_a_sentence():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
    model = convert_program(trace(net, [torch.zeros(2, 1, 8, 8)]), {"image": (1, 8, 8)})
    with pytest.raises(
        QuantizationError, match=r"^the network cannot be quantised to int8 \(Subset size must be positive"
    ):
        quantize_openvino(model, [])


SIGNALLED = """
import gc, mmap, os, signal, sys, threading
import numpy as np, torch
from instageo.model.graphs.openvino_graph import convert_program
from instageo.model.graphs.program import trace
from instageo.model.graphs.quantization import QuantizationError, quantize_openvino

def quantize(*sizes):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
    model = convert_program(trace(net, [torch.zeros(2, 1, 8, 8)]), {"image": (1, 8, 8)})
    quantize_openvino(model, [{"image": np.ones((1, size, 8, 8), np.float32)} for size in sizes])

def run(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()

run(quantize, 1, 1)
errors, handled = [], []
try:
    quantize(1, 3)
except QuantizationError as error:
    errors.append(error)
print(len(errors))
run(lambda: (errors.clear(), gc.collect()))
others = [mmap.mmap(-1, 1 << 16) for _ in range(100)]
signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
for _ in range(200):
    os.kill(os.getpid(), signal.SIGUSR1)
print(len(handled))
"""


def test_signals_are_handled_after_a_thread_has_quantised_or_dropped_an_error_of_it():
    """NNCF loads plugins of its own; the stack for signal handlers of one must not go while a thread uses it."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "200"]), done.stderr
