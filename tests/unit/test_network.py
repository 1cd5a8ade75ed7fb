"""Networks at any size, any number of bands, with readable errors."""

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_encoder, build_network
from instageo.model.backbones.position import sincos_3d


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 32), (33, 50), (7, 16), (16, 100)])
def test_logits_have_the_size_of_the_image(height, width):  # pitfalls 16, 28
    net = build_network("prithvi_eo_tiny", num_classes=3, img_size=32, depth=1).eval()
    assert net(torch.zeros(2, 6, 1, height, width)).shape == (2, 3, height, width)


@pytest.mark.parametrize("bands", [("RED",), ("BLUE", "GREEN", "RED", "NIR"), tuple("ABCDEFGHIJKLM")])
def test_any_number_of_bands(bands):  # pitfall 27
    net = build_network("prithvi_eo_tiny", num_classes=2, temporal_dim=2, img_size=32, depth=1, bands=bands).eval()
    assert net(torch.zeros(1, len(bands), 2, 32, 32)).shape == (1, 2, 32, 32)


def test_padding_does_not_reach_the_pixels_of_whole_patches():
    net = build_network("prithvi_eo_tiny", num_classes=2, img_size=32, depth=1).eval()
    image = torch.randn(1, 6, 1, 32, 32)
    padded = torch.nn.functional.pad(image, (0, 0, 0, 16))
    torch.testing.assert_close(net(padded)[..., :32, :], net(padded[..., :40, :])[..., :32, :])


def test_position_embedding_by_hand():
    grid = sincos_3d(16, 2, 1, 2)[0]
    assert grid.shape == (5, 16)
    assert not grid[0].any()  # class token
    # width 16: 6 channels of the column (3 sines, 3 cosines), 6 of the row, 4 of the date
    sines = torch.sin(torch.tensor([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3)]))
    torch.testing.assert_close(grid[2, :3], sines)  # second patch: column 1, row 0, date 0
    assert grid[2, 6:9].tolist() == [0, 0, 0]
    torch.testing.assert_close(grid[3, 12:14], torch.sin(torch.tensor([1.0, 0.01])))  # third patch: date 1


def test_all_blocks_normalised_on_request():
    encoder = build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=32)
    features = encoder.forward_features(torch.randn(1, 6, 1, 32, 32), normalise=True)
    assert len(features) == 4
    for feature in features:
        torch.testing.assert_close(feature.mean(-1), torch.zeros(1, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_name": "resnet"}, "prithvi_eo_tiny, prithvi_eo_v1_100"),
        ({"head": "fpn"}, "choose one of upscaling"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"temporal_dim": 0}, "temporal_dim is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"bands": ()}, "number of bands is 0"),
    ],
)
def test_what_makes_no_network_is_refused_by_name(change, words):
    arguments = {"model_name": "prithvi_eo_tiny", "num_classes": 2} | change
    with pytest.raises(ConfigError, match=words):
        build_network(arguments.pop("model_name"), **arguments)
