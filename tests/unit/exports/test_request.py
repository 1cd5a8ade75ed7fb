"""Wrong requests are noticed before PyTorch is imported, and in a sentence."""

import subprocess
import sys

import pytest

from instageo.errors import ConfigError
from instageo.model.exports.formats import EXPORT_FORMATS, load_format
from instageo.model.exports.request import check_options

COMMAND = """
import sys
sys.argv = ["instageo", "export", "missing.ckpt", *sys.argv[1:]]
from instageo.cli import main
try:
    main()
finally:
    print([name for name in ("torch", "rasterio") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("format", "options", "sentence"),
    [
        ("onx", {}, "format=onx is unknown; choose one of onnx, openvino, pt2, deepness; did you mean onnx?"),
        (["onnx"], {}, r"format=\['onnx'\] is unknown"),
        ("pt2", {"precision": "int8"}, "precision=int8 is not possible with format=pt2; choose format=openvino"),
        (
            "onnx",
            {"precision": "bf16"},
            "precision=bf16 does not work; expected one of f32, int8; bf16 needs no export",
        ),
        ("onnx", {"opset": 5}, "opset=5 does not work; expected 17 to 23"),
        ("deepness", {"opset": 18}, "opset=18 does not work; expected 17 with format=deepness"),
        ("pt2", {"opset": 18}, "opset=18 does not work: format=pt2 has no operator sets of ONNX; remove opset"),
        ("onnx", {"tile": 0}, "tile=0 does not work; expected a whole number of at least 1"),
        ("onnx", {"tile": "64"}, "tile='64' does not work; expected a whole number"),
        ("onnx", {"resolution": 0}, "resolution=0 does not work; expected metres per pixel, above 0"),
        ("onnx", {"resolution": float("inf")}, "resolution=inf does not work; expected metres per pixel, above 0"),
        ("onnx", {"calibration": "chips"}, "calibration: chips are used for precision=int8 alone"),
        ("onnx", {"dates": "yesterday"}, "dates='yesterday' does not work"),
    ],
)
def test_wrong_options_are_refused(format, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_options(format, None, options)


@pytest.mark.parametrize("name", [".hidden", "..", "a/b", "a.part.b", "a.lock.b", "C:a", "a\\b", "a\nb"])
def test_names_that_a_registry_refuses_are_refused(name):
    with pytest.raises(ConfigError, match=r"name=.* does not work; .*; give another name"):
        check_options("onnx", name, {})


def test_what_can_be_asked_is_accepted():
    check_options("onnx", "floods 2024-v1.5", {"opset": 23, "tile": 64})
    check_options("deepness", None, {"opset": 17})
    check_options("openvino", None, {"precision": "int8", "calibration": "chips"})


def test_each_format_has_its_module():
    pytest.importorskip("torch")
    suffixes = {name: load_format(name).suffix for name in EXPORT_FORMATS}
    assert suffixes == {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2", "deepness": "_deepness.onnx"}


def test_the_command_refuses_before_slow_packages_are_imported():
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "-f", "onnx", "--name", ".hidden"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "[]\n")
    assert done.stderr.startswith("error: name='.hidden' does not work")
