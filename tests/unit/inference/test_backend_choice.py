"""What the choice of a backend compares, and which tiles it reads."""

import pytest
import torch

from instageo.errors import BackendUnavailableError
from instageo.model import build_network
from instageo.model.chips.sample import Sample
from instageo.model.inference.backend_choice import (
    agreement_of,
    choose_for_chips,
    cut_tiles,
    network_source,
    noise_tiles,
    use_named_backend,
)
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings


def predictor_with(**values):
    settings = update_settings(
        Settings(),
        {
            "dataloader.img_size": 16, "dataloader.mean": [0.0] * 6, "dataloader.std": [1.0] * 6,
            "model.model_name": "prithvi_eo_tiny", "model.depth": 1,
            **{key.replace("__", "."): value for key, value in values.items()},
        },
    )  # fmt: skip
    net = build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=16, head="linear").eval()
    return Predictor(net, settings)


def test_classes_agree_if_they_are_the_same_with_about_the_same_probability():
    agreement = agreement_of(predictor_with())
    expected = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 2.0], [0.0, 0.1]]).T.reshape(1, 2, 2, 2)
    found = torch.tensor([[0.0, 1.01], [0.0, -1.0], [0.0, 1.0], [0.0, -0.1]]).T.reshape(1, 2, 2, 2)
    assert agreement(expected, expected) == 1
    assert agreement(expected, found) == 0.5  # the third differs by 0.15 in probability, the fourth in class


def test_chips_of_several_classes_agree_if_each_of_them_does():
    agreement = agreement_of(predictor_with(dataloader__label_kind="chip_multi"))
    expected = torch.tensor([[0.1, 2.0], [-0.1, 2.0]]).reshape(2, 2, 1, 1)
    found = torch.tensor([[-0.1, 2.0], [-0.2, 2.0]]).reshape(2, 2, 1, 1)
    assert agreement(expected, found) == 0.5  # the first class of the first chip is on the other side of 0.5


def test_values_agree_within_a_hundredth_of_their_spread():
    agreement = agreement_of(predictor_with(is_reg_task=True, dataloader__label_mean=0.0, dataloader__label_std=1.0))
    expected = torch.tensor([-1.0, 1.0, -1.0, 1.0]).reshape(1, 1, 2, 2)  # standard deviation 1.15
    assert agreement(expected, expected + torch.tensor([0.0, 0.011, 0.012, -0.02]).reshape(1, 1, 2, 2)) == 0.5


def test_tiles_are_spread_over_an_image():
    predictor = predictor_with()
    image = Sample(torch.arange(40.0 * 40).reshape(1, 1, 40, 40), torch.ones(1, 40, 40, dtype=torch.bool))
    tiles = cut_tiles(predictor, image, 3)
    assert [tuple(tile.image.shape) for tile in tiles] == [(1, 1, 16, 16)] * 3
    assert len({float(tile.image[0, 0, 0, 0]) for tile in tiles}) == 3


def test_noise_has_the_statistics_of_the_training_chips():
    predictor = predictor_with(dataloader__mean=[5.0] * 6, dataloader__std=[2.0] * 6)
    pixels = torch.stack([tile.image for tile in noise_tiles(predictor, 4)])
    assert float(pixels.mean()) == pytest.approx(5, abs=0.1)
    assert float(pixels.std()) == pytest.approx(2, abs=0.1)


def test_the_checksum_is_that_of_weights_and_architecture():
    one, same, other = predictor_with(), predictor_with(), predictor_with(model__head_channels=16)
    same.net.load_state_dict(one.net.state_dict())
    assert network_source(one, None) == network_source(one, None)
    assert network_source(one, None).checksum == network_source(same, None).checksum
    assert network_source(one, None).checksum != network_source(other, None).checksum
    with torch.no_grad():
        next(same.net.parameters()).flatten()[0] += 1
    assert network_source(one, None).checksum != network_source(same, None).checksum


def test_few_chips_are_not_read_for_a_trial():
    def never_read(index):
        raise AssertionError("a chip was read")

    predictor = predictor_with()
    assert choose_for_chips(predictor, never_read, [(16, 16)] * 5).engine == "torch f32"
    assert choose_for_chips(predictor, never_read, []).engine == "torch f32"


@pytest.mark.parametrize(
    ("backend", "precision", "device", "sentence"),
    [
        ("auto", "int8", "cuda", "engine: auto int8 cannot be had on cuda; torch f32 computes"),
        ("openvino", "auto", "cuda", "engine: openvino auto cannot be had on cuda; torch f32 computes"),
        ("auto", "f32", "cuda", None),
        ("auto", "auto", "cpu", None),
    ],
)
def test_what_a_cluster_cannot_have_is_replaced_with_a_warning(caplog, backend, precision, device, sentence):
    predictor = predictor_with(engine__backend=backend, engine__precision=precision)
    assert use_named_backend(predictor, device).engine == "torch f32"
    assert caplog.messages == ([sentence] if sentence else [])


def test_int8_on_a_cluster_must_have_been_calibrated():
    pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    predictor = predictor_with(engine__precision="int8")
    with pytest.raises(BackendUnavailableError, match="int8 is calibrated once for each model, with at least 8 tiles"):
        use_named_backend(predictor, "cpu")


def test_a_way_to_compute_in_pytorch_that_the_user_chose_stays():
    predictor = predictor_with(precision="bf16-mixed")
    assert choose_for_chips(predictor, None, [(16, 16)] * 1000) is predictor
