"""Convolutional networks: sizes, cost, dates, no pattern of squares, and what they refuse."""

import pytest
import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model import build_network
from instageo.model.backbones.conv import DatePooling
from instageo.model.backbones.variants import CONV_VARIANTS
from instageo.model.networks.cost import compute_network_cost

FLOPS = {"conv_nano": 0.1e9, "conv_micro": 0.35e9, "conv_small": 1e9}
PARAMETERS = {"conv_nano": 119_000, "conv_micro": 337_000, "conv_small": 1_001_000}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(name="conv_nano", **options):
    """Build a network with random statistics in its batch normalisation, as after training."""
    net = build_network(name, num_classes=3, **options)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


@pytest.mark.parametrize("name", CONV_VARIANTS)
def test_networks_have_the_arithmetic_of_the_documentation(name):
    cost = compute_network_cost(name)
    assert cost.flops == pytest.approx(FLOPS[name], rel=0.1)
    assert cost.parameters == pytest.approx(PARAMETERS[name], rel=0.01)


@pytest.mark.parametrize("num_dates", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 50), (7, 16), (1, 1)])
def test_logits_have_the_size_of_the_image(height, width, num_dates):
    net = network(temporal_dim=num_dates, bands=("RED", "GREEN"))
    with torch.inference_mode():
        logits, maps = net.forward_with_features(torch.randn(2, 2, num_dates, height, width))
    rows, columns = (-(-side // 16) for side in (height, width))
    assert logits.shape == (2, 3, height, width)
    assert [level.shape for level in maps] == [(2, net.feature_channels, 1, rows, columns)]


def test_padding_is_that_of_zeros():
    net, image = network(), torch.randn(1, 6, 1, 40, 30)
    whole = torch.nn.functional.pad(image, (0, 2, 0, 8))
    torch.testing.assert_close(net(image), net(whole)[..., :40, :30])


@pytest.mark.slow
def test_every_parameter_gets_a_gradient():
    for options in ({}, {"temporal_dim": 2, "date_pooling": "attention"}, {"head": "pooled"}):
        net = build_network("conv_nano", num_classes=2, **options).train()
        image = torch.randn(2, 6, options.get("temporal_dim", 1), 32, 32)
        if "date_pooling" in options:  # attention begins as the mean of equal weights
            nn.init.normal_(net.conv_encoder.dates.score.weight)
        net(image).square().sum().backward()
        shift = "dates.score.bias"  # the same for all dates, so softmax takes it out
        assert [name for name, value in net.named_parameters() if not value.grad.any() and shift not in name] == []


@pytest.mark.parametrize("name", CONV_VARIANTS)
def test_an_even_image_has_even_logits_without_dots_or_checkerboard(name):
    """Away from the borders, whose padding reaches as far as the receptive field, all pixels get the same logits."""
    net = network(name).double()
    image = torch.randn(1, 6, 1, 1, 1, dtype=torch.float64).expand(1, 6, 1, 576, 576)
    with torch.inference_mode():
        inner = net(image)[0, :, 256:320, 256:320]
    torch.testing.assert_close(inner, inner[:, :1, :1].expand_as(inner), rtol=1e-9, atol=1e-9)


def test_a_pixel_differs_from_its_neighbours_as_much_as_its_values_say():
    """A line one pixel wide stands out: the features at full resolution are of single pixels."""
    net = network()
    image = torch.zeros(1, 6, 1, 64, 64)
    image[..., 31] = 3
    with torch.inference_mode():
        logits = net(image)[0, :, 32]
    steps = (logits[:, 1:] - logits[:, :-1]).abs().amax(0)
    assert set(steps.topk(2).indices.tolist()) == {30, 31}


def test_dates_are_averaged_by_hand():
    maps = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]]).reshape(3, 2, 1, 1)  # three dates of one chip
    torch.testing.assert_close(DatePooling(2, attention=False)(maps, 3).flatten(), torch.tensor([3.0, 3.0]))
    attention = DatePooling(2, attention=True)
    torch.testing.assert_close(attention(maps, 3).flatten(), torch.tensor([3.0, 3.0]))
    with torch.no_grad():
        attention.score.weight.copy_(torch.tensor([0.0, torch.inf]).reshape(1, 2, 1, 1).clamp(max=100))
    torch.testing.assert_close(attention(maps, 3).flatten(), torch.tensor([3.0, 6.0]))


def test_dates_of_different_chips_stay_apart():
    net, images = network(temporal_dim=2, date_pooling="attention"), torch.randn(3, 6, 2, 32, 32)
    with torch.inference_mode():
        together, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_an_image_level_network_has_one_output_per_chip():
    net = network(head="pooled")
    assert net.image_level
    assert net(torch.randn(2, 6, 1, 50, 32)).shape == (2, 3, 1, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head": "light"}, "conv_nano has its own decoder: remove model.head"),
        ({"depth": 4}, "model.depth=4 is for Prithvi networks; remove it for conv_nano"),
        ({"embed_dim": 64}, "model.embed_dim=64 is for Prithvi networks"),
        ({"head_channels": 8}, "model.head_channels=8 is for Prithvi networks"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"temporal_dim": 0}, "temporal_dim is 0"),
        ({"bands": ()}, "number of bands is 0"),
        ({"date_pooling": "max"}, "date_pooling=max does not work; expected mean or attention"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, words):
    with pytest.raises(ConfigError, match=words):
        build_network("conv_nano", **({"num_classes": 2} | change))


def test_it_has_no_encoder_of_transformer_blocks():
    with pytest.raises(ConfigError, match=r"^encode needs a network with a Prithvi encoder, which conv_nano does not"):
        network().encoder_for("encode")
