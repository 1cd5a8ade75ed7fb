"""Each runtime takes its own number formats."""

import pytest

from instageo.errors import ConfigError
from instageo.model.settings import EngineSettings


@pytest.mark.parametrize(
    ("backend", "precision", "expected"),
    [
        ("onnxruntime", "int8", "auto or f32 with engine.backend=onnxruntime"),
        ("onnxruntime", "bf16", "auto or f32 with engine.backend=onnxruntime"),
        ("torch", "int8", "auto, f32 or bf16 with engine.backend=torch"),
    ],
)
def test_other_precisions_are_refused(backend, precision, expected):
    with pytest.raises(ConfigError, match=f"^engine.precision={precision} does not work; expected {expected}$"):
        EngineSettings(backend=backend, precision=precision)


@pytest.mark.parametrize(("backend", "precision"), [("openvino", "int8"), ("auto", "int8"), ("torch", "bf16")])
def test_its_own_are_taken(backend, precision):
    assert EngineSettings(backend=backend, precision=precision).precision == precision
