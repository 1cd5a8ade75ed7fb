"""Networks for any image size and any number of bands, with readable errors."""

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_encoder, build_network


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 32), (33, 50), (7, 16), (16, 100)])
def test_logits_have_the_size_of_the_image(height, width):  # pitfalls 16, 28
    net = build_network("prithvi_eo_tiny", num_classes=3, img_size=32, depth=1).eval()
    assert net(torch.zeros(2, 6, 1, height, width)).shape == (2, 3, height, width)


@pytest.mark.parametrize("bands", [("RED",), ("BLUE", "GREEN", "RED", "NIR"), tuple("ABCDEFGHIJKLM")])
def test_any_number_of_bands(bands):  # pitfall 27
    net = build_network("prithvi_eo_tiny", num_classes=2, temporal_dim=2, img_size=32, depth=1, bands=bands).eval()
    assert net(torch.zeros(1, len(bands), 2, 32, 32)).shape == (1, 2, 32, 32)


def test_padding_does_not_change_the_logits_of_whole_patches():
    net = build_network("prithvi_eo_tiny", num_classes=2, img_size=32, depth=1).eval()
    image = torch.randn(1, 6, 1, 32, 32)
    padded = torch.nn.functional.pad(image, (0, 0, 0, 16))
    torch.testing.assert_close(net(padded)[..., :32, :], net(padded[..., :40, :])[..., :32, :])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_name": "resnet"}, "prithvi_eo_tiny, prithvi_eo_v1_100"),
        ({"model_name": "prithvi_v2_300"}, "; did you mean prithvi_eo_v2_300[?]$"),
        ({"head": "upnet"}, "; did you mean unet[?]$"),
        ({"head": "fpn"}, "choose one of upscaling"),
        ({"model_name": "conv_mikro", "head": "conv"}, "model.model_name=conv_mikro is unknown; .* mean conv_micro"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"temporal_dim": 0}, "temporal_dim is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"bands": ()}, "number of bands is 0"),
        ({"embed_dim": 100}, "embed_dim is 100; expected a multiple of 16"),
        ({"embed_dim": 0}, "embed_dim is 0"),
        ({"head": "light", "head_channels": 6}, "head_channels is 6; expected a multiple of 4"),
        ({"head": "linear", "head_channels": 8}, "head_channels=8 is for model.head=light"),
    ],
)
def test_impossible_arguments_are_refused_by_name(change, words):
    arguments = {"model_name": "prithvi_eo_tiny", "num_classes": 2} | change
    with pytest.raises(ConfigError, match=words):
        build_network(arguments.pop("model_name"), **arguments)


@pytest.mark.parametrize(
    ("model_name", "embed_dim", "num_heads"),
    [
        ("prithvi_eo_tiny", None, 4),
        ("prithvi_eo_tiny", 256, 4),
        ("prithvi_eo_tiny", 128, 2),  # 64 channels per head, as in the variant
        ("prithvi_eo_tiny", 96, 2),  # 64 does not divide it: 2 heads of 48
        ("prithvi_eo_tiny", 208, 4),  # 4 of 52
        ("prithvi_eo_tiny", 16, 1),
        ("prithvi_eo_v2_600", 160, 2),  # 80 per head
    ],
)
def test_the_number_of_heads_follows_from_the_embed_dim(model_name, embed_dim, num_heads):
    encoder = build_encoder(model_name, temporal_dim=1, img_size=32, depth=1, embed_dim=embed_dim)
    assert encoder.blocks[0].attn.num_heads == num_heads
    assert encoder(torch.randn(1, 6, 1, 42, 42)).shape[-1] == (embed_dim or 256)


def test_parameters_of_a_narrow_network_by_hand():
    net = build_network("prithvi_eo_tiny", num_classes=3, depth=2, embed_dim=32, head="linear")
    block = (
        12 * 32**2 + (3 + 1 + 4 + 1) * 32 + 4 * 32
    )  # four projections and two of four times the width; biases; two norms
    encoder = 6 * 16**2 * 32 + 32 + 32 + 2 * block + 2 * 32  # patches, class token, blocks, norm
    assert sum(parameter.numel() for parameter in net.parameters()) == encoder + 3 * (32 + 1)


@pytest.mark.parametrize("head", ["light", "light_v0", "light_v1", "light_v2"])
@pytest.mark.parametrize("head_channels", [4, 8, 48])
@pytest.mark.parametrize("num_dates", [1, 2])
def test_the_light_heads_with_other_head_channels_train_at_any_size(head, head_channels, num_dates):
    options = {"num_classes": 3, "depth": 1, "embed_dim": 16, "head": head, "temporal_dim": num_dates}
    net = build_network("prithvi_eo_tiny", head_channels=head_channels, **options).train()
    assert net.segmentation_head.keep.weight.shape == (head_channels, head_channels, 1, 1)
    logits = net(torch.randn(2, 6, num_dates, 33, 50))
    assert logits.shape == (2, 3, 33, 50)
    logits.square().sum().backward()
    assert all(value.grad is not None for value in net.segmentation_head.parameters())


def test_explicit_default_sizes_build_the_same_network():
    torch.manual_seed(0)
    default = build_network("prithvi_eo_tiny", num_classes=2, depth=1, head="light").state_dict()
    torch.manual_seed(0)
    explicit = build_network("prithvi_eo_tiny", num_classes=2, depth=1, head="light", embed_dim=256, head_channels=32)
    assert all(torch.equal(default[key], value) for key, value in explicit.state_dict().items())
