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
    if thread is not threading.current_thread():
        thread.join(20)
print("connections:", opened)
"""


def test_no_connection_is_opened_and_the_home_folder_stays_empty(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CONVERT], env=env, capture_output=True, text=True, timeout=600)
    assert "connections: []" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
