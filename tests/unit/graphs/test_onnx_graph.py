"""ONNX files for readers of an older operator set."""

import numpy as np
import pytest
import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.graphs.onnx_graph import add_metadata, to_onnx
from instageo.model.graphs.program import trace

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")


class Reductions(nn.Module):
    """Uses the operators that opset 18 changed."""

    def forward(self, image):
        first, second = (image * 2).chunk(2, 1)
        larger = nn.functional.interpolate(first.mean(1, keepdim=True), scale_factor=2.0, mode="bilinear")
        return nn.functional.pad(larger, (1, 0, 0, 0)) + second.amax((2, 3), keepdim=True).amin(1, keepdim=True)


@pytest.mark.filterwarnings("ignore")  # of packages that convert graphs
def test_opset_17_computes_the_same_for_batches_of_any_size():
    net, image = Reductions(), torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    model = to_onnx(trace(net, [image]), ["image"], 17)
    add_metadata(model, {"key": '"text"'})
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert session.get_modelmeta().custom_metadata_map["key"] == '"text"'
    for batch in (1, 3):
        images = torch.randn(batch, 4, 6, 6)
        np.testing.assert_allclose(session.run(["output"], {"image": images.numpy()})[0], net(images), atol=1e-5)


class Bits(nn.Module):
    def forward(self, image):
        return torch.bitwise_and(image.int(), 3).float()


@pytest.mark.filterwarnings("ignore")
def test_operators_that_opset_17_does_not_have_are_named():
    with pytest.raises(ConfigError, match="opset=17 does not work: the network uses BitwiseAnd"):
        to_onnx(trace(Bits(), [torch.zeros(2, 1)]), ["image"], 17)
