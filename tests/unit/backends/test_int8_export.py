"""Which int8 export of a folder the engine takes."""

import json
from hashlib import sha256

import pytest

from instageo.errors import ConfigError
from instageo.model.backends.int8_export import Int8Export, find_int8_export
from instageo.model.exports.export_record import read_record
from instageo.model.graphs.program import InputShape

SHAPE, BANDS = InputShape(2, 1, 32, 32), ("RED", "NIR")
ENTRY = {
    "format": "openvino", "precision": "int8", "input": "normalised", "output": "logits", "fixed_coordinates": None,
    "tile": 32, "dates": 1, "bands": list(BANDS), "gate": {"agreement": 1.0},
}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"weights")
    return path


def write(folder, entries, weights=b"weights"):
    exports = {
        f"{name}.xml": {**ENTRY, **entry, "files": {f"{name}.xml": {"sha256": "1"}, f"{name}.bin": {"sha256": "2"}}}
        for name, entry in entries.items()
    }
    content = {"model": {"source": "run", "sha256": sha256(weights).hexdigest()}, "exports": exports}
    (folder / "export.json").write_text(json.dumps(content))


def find(folder, checkpoint):
    return find_int8_export(folder, read_record(folder), checkpoint, SHAPE, BANDS)


def test_an_export_that_was_compared_goes_before_others(tmp_path, checkpoint):
    assert find(tmp_path, checkpoint) is None
    write(tmp_path, {"a": {"gate": "none"}})
    files = {"a.xml": "1", "a.bin": "2"}
    assert find(tmp_path, checkpoint) == Int8Export(tmp_path, files, compared=False)
    write(tmp_path, {"a": {"gate": "none"}, "b": {}})
    files = {"b.xml": "1", "b.bin": "2"}
    assert find(tmp_path, checkpoint) == Int8Export(tmp_path, files, compared=True)


@pytest.mark.parametrize(
    "entry",
    [
        {"format": "onnx"}, {"precision": "f32"}, {"input": "pixels"}, {"output": "activated"}, {"tile": 64},
        {"dates": 2}, {"bands": ["NIR", "RED"]}, {"fixed_coordinates": [[2024.0, 1.0], [1.0, 2.0]]},
    ],
)  # fmt: skip
def test_exports_with_other_inputs_or_outputs_are_left_out(tmp_path, checkpoint, entry):
    write(tmp_path, {"a": entry}, weights=b"others")
    assert find(tmp_path, checkpoint) is None


def test_an_export_of_other_weights_is_refused(tmp_path, checkpoint):
    write(tmp_path, {"a": {}}, weights=b"others")
    with pytest.raises(
        ConfigError, match=r"export.json: its exports were made of another checkpoint than .*model.ckpt"
    ):
        find(tmp_path, checkpoint)
