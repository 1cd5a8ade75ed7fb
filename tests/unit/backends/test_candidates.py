"""What is worth a trial."""

import pytest

from instageo.model.backends.backend import BackendChoice
from instageo.model.backends.candidates import BACKENDS, candidates
from instageo.model.settings.map_settings import BACKEND_CHOICES, PRECISION_CHOICES

for package in ("openvino", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the extra `fast` is not installed")

AMX = {"avx2", "avx512_core", "avx512_bf16", "amx_bf16"}


@pytest.mark.parametrize(
    ("wanted", "device", "features", "expected"),
    [
        (("auto", "auto"), "cpu", {"avx2"}, ["torch f32", "openvino f32", "onnxruntime f32"]),
        (
            ("auto", "auto"), "cpu", AMX,
            ["torch f32", "torch bf16", "openvino f32", "openvino bf16", "onnxruntime f32"],
        ),
        (("auto", "auto"), "cuda", {"avx2"}, ["torch f32", "torch bf16"]),
        (("auto", "auto"), "mps", {"avx2"}, ["torch f32", "torch bf16"]),
        (("openvino", "auto"), "cpu", {"avx2"}, ["openvino f32"]),
        (("openvino", "auto"), "cuda", AMX, ["torch f32"]),
        (("auto", "int8"), "cpu", {"avx2"}, ["openvino int8"]),
        (("auto", "bf16"), "cpu", {"avx2"}, ["torch bf16", "openvino bf16"]),
        (("onnxruntime", "auto"), "cpu", AMX, ["onnxruntime f32"]),
        (("torch", "bf16"), "cuda", set(), ["torch bf16"]),
    ],
)  # fmt: skip
def test_candidates(wanted, device, features, expected):
    assert list(map(str, candidates(BackendChoice(*wanted), device, features))) == expected


def test_int8_is_tried_if_there_is_an_export():
    found = candidates(BackendChoice("openvino", "auto"), "cpu", {"avx2"}, int8_export=True)
    assert list(map(str, found)) == ["openvino f32", "openvino int8"]
    found = candidates(BackendChoice(), "cpu", {"avx2"}, int8_export=True)
    assert list(map(str, found)) == ["torch f32", "openvino f32", "openvino int8", "onnxruntime f32"]
    for backend, precision in (("auto", "f32"), ("onnxruntime", "auto"), ("torch", "auto")):
        found = candidates(BackendChoice(backend, precision), "cpu", {"avx2"}, int8_export=True)
        assert "int8" not in {each.precision for each in found}
    assert candidates(BackendChoice(), "cuda", set(), int8_export=True)[0] == BackendChoice("torch", "f32")
    assert "int8" not in {each.precision for each in candidates(BackendChoice(), "cuda", set(), int8_export=True)}


def test_settings_offer_every_backend():
    assert ("auto", *BACKENDS) == BACKEND_CHOICES
    assert set(PRECISION_CHOICES) == {"auto"}.union(*(entry.precisions for entry in BACKENDS.values()))
