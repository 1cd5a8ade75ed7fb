"""A trial in a process of its own counts only if it has computed."""

import os

import pytest

from instageo.errors import BackendUnavailableError
from instageo.model.backends.openvino_probe import check_in_own_process

openvino = pytest.importorskip("openvino", reason="the extra `fast` is not installed")

ENDS_AT_ONCE = "open({marker!r}, 'w').close()\nraise SystemExit\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a network that squashes one value."""
    path = tmp_path_factory.mktemp("model") / "model.xml"
    chip = openvino.opset13.parameter([-1, 1], openvino.Type.f32, name="image")
    network = openvino.Model([openvino.opset13.relu(chip)], [chip])
    network.inputs[0].get_tensor().set_names({"image"})
    openvino.save_model(network, path)
    return path


@pytest.fixture
def poison(tmp_path):
    """Return a folder whose `numpy.py` ends a process, and the file by which it tells."""
    marker = tmp_path / "ran"
    (tmp_path / "numpy.py").write_text(ENDS_AT_ONCE.format(marker=str(marker)))
    return tmp_path, marker


def test_code_of_the_working_folder_is_not_run(model, poison, monkeypatch):
    folder, marker = poison
    monkeypatch.chdir(folder)
    check_in_own_process(model, "f32")
    assert not marker.exists()


def test_a_process_that_ends_without_a_result_has_failed(model, poison, monkeypatch):
    folder, marker = poison
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(BackendUnavailableError, match="it ended before it had computed a chip"):
        check_in_own_process(model, "f32")
    assert marker.exists()


def test_a_model_that_cannot_be_read(model, tmp_path):
    damaged = tmp_path / "model.xml"
    damaged.write_text(model.read_text()[:100])
    with pytest.raises(BackendUnavailableError, match="a trial process failed: "):
        check_in_own_process(damaged, "f32")
