"""Networks as graphs for other runtimes."""

from functools import cache

import numpy as np
import pytest
import torch

from instageo.model import build_network
from instageo.model.graphs.openvino_graph import to_openvino
from instageo.model.graphs.openvino_package import openvino_core
from instageo.model.graphs.program import InputShape, trace_network

pytest.importorskip("openvino", reason="the extra `fast` is not installed")


@cache
def converted(model_name, head, dates, side):
    """Return a network, the shape of its inputs, and its graph, compiled."""
    torch.manual_seed(0)
    net = build_network(model_name, num_classes=3, depth=1, img_size=32, head=head, temporal_dim=dates).eval()
    shape = InputShape(6, dates, side, side)
    model = to_openvino(trace_network(net, shape), shape)
    assert [port.any_name for port in model.inputs] == ["image", "time", "location"]
    return net, shape, openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_name", "head", "dates", "side"),
    [
        ("prithvi_eo_v2_tiny_tl", "light", 1, 32),
        ("prithvi_eo_tiny", "unet", 3, 50),  # padded within the network
        ("prithvi_eo_tiny", "pooled", 1, 32),
    ],
)
def test_the_graph_computes_what_the_network_does_for_batches_of_any_size(model_name, head, dates, side):
    net, shape, compiled = converted(model_name, head, dates, side)
    for batch in (1, 2, 3):
        image, time, location = shape.example(batch)
        image = torch.randn_like(image)
        with torch.no_grad():
            expected = net(image, time, location).numpy()
        outputs = compiled([image.numpy(), time.numpy(), location.numpy()])[0]
        np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.slow
def test_coordinates_change_the_graph_s_output():
    _, shape, compiled = converted("prithvi_eo_v2_tiny_tl", "light", 1, 32)
    image, time, location = (part.numpy() for part in shape.example())
    outputs = compiled([image, time, location])[0]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4  # the second sample has none


def test_tracing_leaves_the_network_as_it_is():
    net = build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=32).train()
    trace_network(net, InputShape(6, 1, 32, 32))
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
