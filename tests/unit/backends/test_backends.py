"""Every backend computes what PyTorch does."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from instageo.errors import BackendUnavailableError
from instageo.model.backends.backend import BackendChoice
from instageo.model.backends.candidates import BACKENDS
from instageo.model.backends.choice import build_backend
from instageo.model.backends.converted_models import CHECKSUMS, converted_model, is_whole
from instageo.model.backends.openvino_backend import conversion_key
from instageo.model.backends.torch_backend import TorchBackend
from instageo.model.graphs.program import InputShape
from tests.unit.backends.conftest import CPU, SHAPE, chips_of, same_class, source_of


@pytest.fixture(scope="module")
def network():
    return source_of()


@pytest.fixture(params=["openvino", "onnxruntime"])
def backend(request, network):
    pytest.importorskip(request.param)
    return build_backend(network, BackendChoice(request.param, "f32"))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_batches_of_any_size(backend, network, count):
    chips = chips_of(count)
    with torch.no_grad():
        torch.testing.assert_close(backend(*chips), network.net(*chips), atol=1e-5, rtol=1e-5)
    assert backend(*chips).dtype == torch.float32


def test_chips_of_other_shapes_are_computed_by_pytorch(backend, network):
    chips = chips_of(2, InputShape(2, 1, 7, 9))
    with torch.no_grad():
        assert torch.equal(backend(*chips), network.net(*chips))


def test_several_threads_at_once(backend):
    chips = chips_of(6)
    expected = backend(*chips)
    with ThreadPoolExecutor(4) as pool:
        for outputs in pool.map(lambda _: backend(*chips), range(12)):
            assert torch.equal(outputs, expected)


def test_no_chip_depends_on_others_of_its_batch_or_on_the_number_of_threads(backend, network, number_of_threads):
    chips = chips_of(5)
    for threads in (1, 3):
        number_of_threads(threads)
        assert torch.equal(build_backend(network, backend.choice)(*chips), backend(*chips))
    alone = [backend(*(part[index : index + 1] for part in chips)) for index in range(5)]
    assert torch.equal(torch.cat(alone), backend(*chips))


@pytest.mark.slow
def test_int8_needs_chips_once(network, fresh_cache):
    pytest.importorskip("nncf")
    choice = BackendChoice("openvino", "int8")
    advice = r"int8 is calibrated once for each model, with at least 8 tiles: run mode=chip_inference engine\.backend="
    for chips in (None, chips_of(7)):
        with pytest.raises(BackendUnavailableError, match=advice):
            BACKENDS["openvino"].build(network, "int8", chips)
    backend = BACKENDS["openvino"].build(network, "int8", chips_of(8))
    with torch.no_grad():
        assert same_class(network.net(*chips_of(8)), backend(*chips_of(8))) > 0.95
    assert build_backend(network, choice).stamp == backend.stamp  # made once, and named by its content
    assert backend.stamp.startswith("openvino int8 ")


@pytest.mark.parametrize("damage", ["content", "checksums", "file", "link"])
def test_no_other_model_takes_the_place_of_a_damaged_one_in_int8(network, fresh_cache, damage):
    pytest.importorskip("openvino")
    entry = fresh_cache / "converted_models" / conversion_key(network, quantized=True)
    with converted_model(conversion_key(network, quantized=False), lambda folder: (folder / "old").touch()) as f32:
        if damage == "file":
            entry.touch()
        elif damage == "link":
            entry.symlink_to(f32)
        else:
            shutil.copytree(f32, entry)
            (entry / ("old" if damage == "content" else CHECKSUMS)).write_text("{")
    for chips in (None, chips_of(7)):
        with pytest.raises(BackendUnavailableError, match="int8 is calibrated once"):
            BACKENDS["openvino"].build(network, "int8", chips)
    assert not is_whole(entry)


def test_half_precision_of_pytorch(network):
    backend, chips = TorchBackend(network.net, "bf16", CPU), chips_of(3)
    outputs = backend(*chips)
    with torch.no_grad():
        expected = network.net(*chips)
    assert outputs.dtype == torch.float32
    assert 0 < (outputs - expected).abs().max() < 0.05


def test_shape_and_stamp(backend):
    assert backend.size == SHAPE.size
    assert backend.stamp.startswith(f"{backend.choice.backend} f32 ")
