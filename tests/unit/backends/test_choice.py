"""The choice: by trial, remembered, and PyTorch wherever something is missing."""

import json
import logging
import subprocess
import sys
from math import inf

import pytest
import torch
from torch import nn

from instageo.model.backends import choice
from instageo.model.backends.backend import TORCH, BackendChoice
from instageo.model.backends.choice import choose_backend
from instageo.model.backends.openvino_backend import conversion_key
from instageo.model.backends.remembered import RememberedTrial, TrialMemory
from tests.disks import file_size_limit
from tests.unit.backends.conftest import chips_of, same_class, source_of

for package in ("openvino", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the extra `fast` is not installed")

AUTO = BackendChoice()


@pytest.fixture(autouse=True)
def any_speed(monkeypatch):
    """Speeds on a busy machine decide nothing here: the last of the candidates that agrees is the fastest."""
    monkeypatch.setattr(choice, "MIN_GAIN", 0.0)
    original = choice.try_backends

    def ordered(backends, chips, agreement, num_callers):
        figures = original(backends, chips, agreement, seconds=0.0)
        return [type(each)(each.choice, float(number + 1), each.agreement) for number, each in enumerate(figures)]

    monkeypatch.setattr(choice, "try_backends", ordered)


def never_read(count):
    raise AssertionError("chips were read")


def choose(network, wanted=AUTO, read=chips_of, num_chips=inf, agreement=same_class):
    return choose_backend(network, wanted, read, num_chips, agreement)


@pytest.mark.slow
def test_what_is_fastest_is_chosen_and_remembered_until_the_model_changes(caplog):
    caplog.set_level(logging.INFO)
    first = choose(source_of(1))
    assert str(first.choice) == "onnxruntime f32"
    [line] = caplog.messages
    others = "torch f32 1.0; openvino f32 2.0"
    assert line.startswith(f"engine: onnxruntime f32 (3.0 chips/s, 100.00 % as PyTorch; tried: {others}; ")
    caplog.clear()
    assert choose(source_of(1), read=never_read).stamp == first.stamp
    assert caplog.messages == ["engine: onnxruntime f32 (3.0 chips/s in an earlier trial, PyTorch 1.0)"]
    assert choose(source_of(2), read=lambda _: None).choice == TORCH  # another model: nothing is remembered


def test_what_does_not_agree_is_not_chosen(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    memory = TrialMemory(source_of(1), AUTO)
    memory.forget()
    backend = choose(source_of(1), agreement=lambda expected, found: float(torch.equal(expected, found)) or 0.998)
    assert backend.choice == TORCH
    for tried in ("openvino f32 2.0", "onnxruntime f32 3.0"):
        assert f"{tried}, which agrees on 99.80 %" in caplog.text
    memory.forget()


def test_small_work_is_done_by_pytorch_without_a_trial(fresh_cache):
    assert choose(source_of(3), read=never_read, num_chips=63).choice == TORCH
    assert not fresh_cache.exists()
    assert choose(source_of(3), num_chips=64 - 5 + 1).choice == TORCH


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("openvino", "auto"), "openvino f32"),
        (("auto", "bf16"), "torch bf16"),
        (("auto", "auto"), "torch f32"),
    ],
)
@pytest.mark.parametrize("num_chips", [10, 100])
def test_small_work_is_done_by_what_was_named(monkeypatch, fresh_cache, wanted, expected, num_chips):
    monkeypatch.setattr(choice, "cpu_features", lambda: frozenset({"avx2", "avx512_core", "avx512_bf16"}))
    TrialMemory(source_of(3), BackendChoice(*wanted)).write(RememberedTrial(10.0))
    backend = choose(source_of(3), BackendChoice(*wanted), num_chips=num_chips, agreement=lambda *_: 1.0)
    assert str(backend.choice) == expected


@pytest.mark.slow
def test_a_named_runtime_computes_even_if_pytorch_is_faster(monkeypatch, fresh_cache):
    monkeypatch.setattr(choice, "cpu_features", lambda: frozenset({"avx2", "avx512_core", "avx512_bf16"}))
    monkeypatch.setattr(choice, "MIN_GAIN", inf)
    assert (
        choose(source_of(3), BackendChoice("openvino", "auto"), agreement=lambda *_: 1.0).choice.backend == "openvino"
    )
    assert choose(source_of(3), agreement=lambda *_: 1.0).choice == TORCH


def test_work_of_less_than_a_minute_is_not_worth_a_conversion(fresh_cache, caplog):
    network = source_of(3)
    TrialMemory(network, AUTO).write(RememberedTrial(10.0))
    caplog.set_level(logging.INFO)
    assert choose(network, read=never_read, num_chips=599).choice == TORCH
    assert caplog.messages == ["engine: torch f32 (10.0 chips/s; too little work, about 60 s, to try others)"]
    assert list(fresh_cache.iterdir()) == [fresh_cache / "engine_trials"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"key": 1}', "foreign", "negative"])
def test_a_damaged_or_foreign_memory_is_ignored(fresh_cache, content):
    memory = TrialMemory(source_of(1), AUTO)
    memory.write(RememberedTrial(10.0, BackendChoice("openvino", "f32"), 20.0, 1.0))
    assert memory.read() == RememberedTrial(10.0, BackendChoice("openvino", "f32"), 20.0, 1.0)
    stored = json.loads(memory.path.read_text())
    if content == "foreign":
        content = json.dumps(stored | {"key": stored["key"] | {"network": "another"}})
    elif content == "negative":
        content = json.dumps(stored | {"trial": stored["trial"] | {"speed": -1.0}})
    memory.path.write_text(content)
    assert memory.read() is None


class TooDynamic(nn.Module):
    """Depends on the values of its input, which no graph can."""

    def forward(self, image, time=None, location=None):
        return image[:, :, 0] * (1 if float(image.sum()) > 0 else -1)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_network_that_cannot_be_converted(caplog, backend):
    network = source_of(net=TooDynamic().eval())
    assert choose(network, BackendChoice(backend, "auto")).choice == TORCH
    [line] = [record.getMessage() for record in caplog.records if record.name == choice.__name__]
    assert line.startswith(f"engine: {backend} f32 is not used: it cannot be converted (")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_pytorch_computes_if_the_disk_is_full(fresh_cache, caplog, backend):
    with file_size_limit(500):
        assert choose(source_of(4), BackendChoice(backend, "f32")).choice == TORCH
    [line] = [record.getMessage() for record in caplog.records if record.name == choice.__name__]
    assert line.startswith(f"engine: {backend} f32 is not used: {fresh_cache / 'converted_models'}")
    assert " cannot be written" in line
    assert [path for path in (fresh_cache / "converted_models").iterdir() if path.is_dir()] == []


def test_pytorch_computes_if_the_cache_cannot_be_locked(fresh_cache, caplog):
    network = source_of(4)
    lock = fresh_cache / "converted_models" / f".{conversion_key(network, quantized=False)}.lock"
    lock.mkdir(parents=True)
    assert choose(network, BackendChoice("openvino", "f32")).choice == TORCH
    [line] = caplog.messages
    assert line.startswith(f"engine: openvino f32 is not used: {lock}: cannot be written: Is a directory")


def test_bfloat16_that_is_emulated_is_told(caplog, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert str(choose(source_of(1), BackendChoice("torch", "bf16"), agreement=lambda *_: 1.0).choice) == "torch bf16"
    [line] = caplog.messages
    assert line.startswith("engine.precision=bf16: this CPU emulates it, which takes long (it has ")


FALL_BACK = """
import logging, resource, sys
from math import inf
logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
from tests.unit.backends.conftest import chips_of, same_class, source_of
from instageo.model.backends.backend import BackendChoice
from instageo.model.backends.choice import choose_backend
if sys.argv[1] == "missing":
    sys.modules.update(openvino=None, onnxruntime=None)
else:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
backend = choose_backend(source_of(9), BackendChoice(*sys.argv[2:]), chips_of, inf, same_class)
print(backend.choice)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "wanted", "expected"),
    [
        ("missing", ("auto", "auto"), []),
        (
            "missing",
            ("openvino", "auto"),
            ["engine: openvino f32 is not used: OpenVINO needs the package openvino; install the extra: pip install "
             "'instageo-model[fast]'"],
        ),
        (
            "missing",
            ("onnxruntime", "auto"),
            ["engine: onnxruntime f32 is not used: engine.backend=onnxruntime needs the package onnxruntime; install "
             "the extra: pip install 'instageo-model[fast]'"],
        ),
        (
            "memory",
            ("openvino", "auto"),
            ["engine: openvino f32 is not used: converting the network needs about 0.7 GB of memory, but 0.6 GB are "
             "free"],
        ),
    ],
)  # fmt: skip
def test_without_the_extra_or_enough_memory_pytorch_computes(fresh_cache, case, wanted, expected):
    done = subprocess.run([sys.executable, "-c", FALL_BACK, case, *wanted], capture_output=True, text=True, timeout=600)
    assert done.stdout.splitlines() == [*expected, "torch f32"], done.stderr
