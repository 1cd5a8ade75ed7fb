import subprocess
import sys

import pytest

from instageo.model.networks.meta_device import without_values
from instageo.model.networks.segmenter import build_network

MODEL = {"model_name": "prithvi_eo_v2_tiny_tl", "num_classes": 3, "temporal_dim": 2, "img_size": 64, "depth": 2}


@pytest.mark.parametrize("head", ["light", "upscaling"])
def test_names_and_shapes_are_those_of_the_network(head):
    real = build_network(**MODEL, head=head)
    with without_values():
        other = build_network(**MODEL, head=head)
    shapes, expected = ({key: each.shape for key, each in net.state_dict().items()} for net in (other, real))
    assert shapes == expected
    assert {each.device.type for each in other.state_dict().values()} == {"meta"}


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, {"model_name": "conv_nano", "num_classes": 3, "temporal_dim": 2}])
def test_pytorchs_compiler_is_not_imported(model):
    code = f"""
import sys
from instageo.model.networks.segmenter import build_network
from instageo.model.networks.meta_device import without_values
with without_values():
    build_network(**{model})
assert "torch._dynamo" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
