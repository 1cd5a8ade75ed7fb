"""`export.json`: entries of one model add up, and those of another are refused."""

import json

import pytest

from instageo.errors import ConfigError
from instageo.model.exports.export_record import add_entry, check_same_model, describe_graph, read_record
from tests.unit.exports.test_deepness_format import GRAPH

MODEL = {"source": "runs/floods", "sha256": "ab"}


def test_entries_of_one_model_add_up(tmp_path):
    for name in ("a.onnx", "b.xml", "b.bin"):
        (tmp_path / name).write_bytes(b"teacher")
    add_entry(tmp_path, MODEL, [tmp_path / "a.onnx"], {"format": "onnx"})
    entry = add_entry(tmp_path, MODEL, [tmp_path / "b.xml", tmp_path / "b.bin"], {"format": "openvino"})
    assert entry["files"]["b.bin"]["size"] == 7
    record = json.loads((tmp_path / "export.json").read_text())
    assert record["model"] == MODEL
    assert list(record["exports"]) == ["a.onnx", "b.xml"]
    check_same_model(tmp_path, "ab", "runs/floods")
    with pytest.raises(ConfigError, match="holds exports of another model, runs/floods; choose another folder for"):
        check_same_model(tmp_path, "cd", "runs/other")


@pytest.mark.parametrize("text", ["", "[]", '{"exports": []}'])
def test_damaged_records_are_named(tmp_path, text):
    assert read_record(tmp_path) == {"exports": {}}
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(ConfigError, match=r"export.json: is damaged.*; remove the folder and export again"):
        read_record(tmp_path)


def test_inputs_and_outputs_are_described_as_stac_does():
    fields = describe_graph(GRAPH)
    [image], [output] = fields["mlm:input"], fields["mlm:output"]
    assert image["input"] == {
        "shape": [-1, 6, 224, 224], "dim_order": ["batch", "channel", "height", "width"], "data_type": "float32",
    }  # fmt: skip
    assert "pixels as stored, divided by 255" in image["description"]
    assert output["tasks"] == ["semantic-segmentation"]
    assert output["result"]["shape"] == [-1, 2, 224, 224]
    assert [each["name"] for each in output["classification:classes"]] == ["land", "water"]
