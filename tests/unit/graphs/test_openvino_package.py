"""OpenVINO sends nothing and writes nothing into the home folder."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("openvino", reason="the extra `fast` is not installed")

CONVERT = """
import sys, threading, torch
opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from instageo.model.graphs.openvino_graph import to_openvino
from instageo.model.graphs.program import InputShape, trace_network

class Net(torch.nn.Module):
    def forward(self, image, time, location):
        return image.sum((1, 2))

shape = InputShape(1, 1, 8, 8)
to_openvino(trace_network(Net(), shape), shape)
for thread in threading.enumerate():
    if thread is not threading.current_thread() and type(thread).__name__ != "TMonitor":  # tqdm's never ends
        thread.join(20)
print("connections:", opened)
"""


@pytest.mark.slow
def test_no_connection_is_opened_and_the_home_folder_stays_empty(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CONVERT], env=env, capture_output=True, text=True, timeout=600)
    assert "connections: []" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


SIGNALLED = """
import gc, mmap, os, signal, threading
import numpy as np
from openvino import Model, opset13
from instageo.model.graphs.openvino_package import openvino_core
parameter = opset13.parameter([1, 3], np.float32)
compiled = [openvino_core().compile_model(Model([opset13.relu(parameter)], [parameter], "model"), "CPU")]
thread = threading.Thread(target=lambda: (compiled.clear(), gc.collect()))
thread.start()
thread.join()
others = [mmap.mmap(-1, 1 << 16) for _ in range(100)]
signal.signal(signal.SIGINT, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGINT)
"""


def test_signals_are_handled_after_a_thread_has_dropped_the_last_network():
    """The CPU plugin's stack for signal handlers must not go while a thread uses it."""
    pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


AT_ONCE = """
import sys, threading
import numpy as np
from openvino import Model, opset13
from instageo.model.graphs.openvino_package import openvino_core
parameter = opset13.parameter([1, 3], np.float32)
compiled = openvino_core().compile_model(Model([opset13.relu(parameter)], [parameter], "model"), "CPU")
requests = [compiled.create_infer_request() for _ in range(4)]
barrier = threading.Barrier(len(requests))
sys.setswitchinterval(1e-7)

def compute(request):
    barrier.wait()
    request.start_async({0: np.zeros((1, 3), np.float32)}, share_inputs=True)
    request.wait()

threads = [threading.Thread(target=compute, args=[request]) for request in requests]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("attempt", range(4))
def test_the_first_threads_that_compute_do_not_wait_for_each_other(attempt):  # half of the attempts did
    pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    subprocess.run([sys.executable, "-c", AT_ONCE], check=True, timeout=300)
