"""What NNCF refuses is an error of ours."""

import pytest
import torch

from instageo.model.graphs.program import trace

pytest.importorskip("nncf", reason="the extra `export` is not installed")

from instageo.model.graphs.openvino_graph import convert_program
from instageo.model.graphs.quantization import QuantizationError, quantize_openvino


def test_an_error_of_nncf_is_a_sentence():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
    model = convert_program(trace(net, [torch.zeros(2, 1, 8, 8)]), {"image": (1, 8, 8)})
    with pytest.raises(
        QuantizationError, match=r"^the network cannot be quantised to int8 \(Subset size must be positive"
    ):
        quantize_openvino(model, [])
