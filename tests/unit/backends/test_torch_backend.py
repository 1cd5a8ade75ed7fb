"""Weights are laid out as half-precision convolutions on a GPU read them."""

import pytest
import torch

from instageo.model import build_network
from instageo.model.backends.torch_backend import put_channels_last


@pytest.mark.parametrize("name", ["prithvi_eo_tiny", "conv_nano"])
def test_weights_of_2d_convolutions_have_channels_last(name):
    net = build_network(name, num_classes=2, img_size=32).eval()
    image = torch.randn(2, 6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(image)
        put_channels_last(net)
        torch.testing.assert_close(net(image), expected, atol=1e-4, rtol=1e-4)
    convolutions = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    assert convolutions
    assert all(each.weight.is_contiguous(memory_format=torch.channels_last) for each in convolutions)
