"""`export.json`: entries of one model add up, and those of another are refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES
from pathlib import Path
from threading import Barrier

import pytest

from instageo.errors import ConfigError, WriteError
from instageo.model.exports.export_record import check_same_model, describe_graph, publish_export, read_record
from tests.unit.exports.test_deepness_format import GRAPH

MODEL = {"source": "runs/floods", "sha256": "ab"}


def write(folder, *names):
    """Write files that are to be published, and return them."""
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"network")
    return [folder / name for name in names]


def test_entries_of_one_model_add_up(tmp_path):
    publish_export(tmp_path, MODEL, write(tmp_path / "1", "a.onnx"), {"format": "onnx"})
    files, entry = publish_export(tmp_path, MODEL, write(tmp_path / "2", "b.xml", "b.bin"), {"format": "openvino"})
    assert files == [tmp_path / "b.xml", tmp_path / "b.bin"]
    assert all(path.read_bytes() == b"network" for path in files)
    assert entry["files"]["b.bin"]["size"] == 7
    record = json.loads((tmp_path / "export.json").read_text())
    assert record["model"] == MODEL
    assert list(record["exports"]) == ["a.onnx", "b.xml"]
    check_same_model(tmp_path, "ab", "runs/floods")
    with pytest.raises(ConfigError, match="holds exports of another model, runs/floods; choose another folder for"):
        check_same_model(tmp_path, "cd", "runs/other")


def test_exports_at_the_same_time_are_all_listed(tmp_path):
    written = [write(tmp_path / str(number), f"{number}.onnx") for number in range(20)]
    folder = tmp_path / "exports"
    folder.mkdir()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda files: publish_export(folder, MODEL, files, {}), written))
    assert set(read_record(folder)["exports"]) == {f"{number}.onnx" for number in range(20)}


def test_of_two_models_at_the_same_time_one_is_refused(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    start = Barrier(2)

    def publish(name):
        files = write(tmp_path / name, f"{name}.onnx")
        start.wait()
        try:
            return publish_export(folder, MODEL | {"sha256": name}, files, {})[0][0].name
        except ConfigError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        published = list(pool.map(publish, ["a", "b"]))
    name, refusal = sorted(published, key=lambda each: isinstance(each, ConfigError))
    assert "holds exports of another model" in str(refusal)
    assert list(read_record(folder)["exports"]) == [name]
    assert [path.name for path in folder.glob("*.onnx")] == [name]


def test_after_an_error_the_folder_is_as_it_was(tmp_path):
    folder = tmp_path / "exports"
    (folder / "export.json").mkdir(parents=True)  # so that the record cannot be written
    (folder / "a.xml").write_bytes(b"former")
    with pytest.raises(WriteError, match=r"exports/export.json: cannot be written: .*a folder has this name"):
        publish_export(folder, MODEL, write(tmp_path / "new", "a.xml", "a.bin"), {})
    assert (folder / "a.xml").read_bytes() == b"former"
    assert {path.name for path in folder.iterdir()} - {".lock"} == {"a.xml", "export.json"}


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ConfigError, match=r"export.json: may not be read by this user; change its rights, or choose"):
        read_record(tmp_path)


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
