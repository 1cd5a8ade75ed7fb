"""Encoder and segmenter agree with figures of the original implementations to 1e-4 relative."""

import json
from pathlib import Path

import pytest
import torch

from instageo.model import build_encoder, build_network
from tests.reference import deviation, fill, standard_image

FIGURES = json.loads(Path(__file__).with_name("parity_figures.json").read_text())
SEGMENTERS = [pytest.param(case, id=f"{case['model_name']}-T{case['temporal_dim']}") for case in FIGURES["segmenter"]]


def segmenter(case):
    names = ("num_classes", "temporal_dim", "img_size", "depth")
    return build_network(case["model_name"], **{name: case[name] for name in names})


@pytest.mark.parametrize("case", SEGMENTERS)
def test_segmenter_keys_shapes_and_parameters_are_the_published_ones(case):
    net = segmenter(case)
    assert {f"net.{key}": list(value.shape) for key, value in net.state_dict().items()} == case["state_dict"]
    assert sum(parameter.numel() for parameter in net.parameters()) == case["params"]


@pytest.mark.parametrize("case", SEGMENTERS)
def test_segmenter_features_and_logits_agree(case):
    net = fill(segmenter(case), "net.")
    image = standard_image(case["temporal_dim"], case["img_size"])
    with torch.inference_mode():
        assert deviation(net.forward_features(image), case["features"]) < 1e-4
        assert deviation(net(image), case["logits"]) < 1e-4


@pytest.mark.parametrize("case", FIGURES["encoder"], ids=lambda case: case["model_name"])
def test_encoder_features_agree(case):
    encoder = build_encoder(
        case["model_name"], temporal_dim=case["temporal_dim"], img_size=case["img_size"], depth=case["depth"]
    )
    fill(encoder, "encoder.")
    assert sum(parameter.numel() for parameter in encoder.parameters()) == case["params"]
    image = standard_image(case["temporal_dim"], case["img_size"])
    with torch.inference_mode():
        features = encoder.forward_features(image)
        assert deviation(features[0], case["first_features"]) < 1e-4
        assert deviation(features[-1], case["last_features"]) < 1e-4
        assert torch.equal(encoder(image), features[-1])


def test_full_sizes_have_the_published_number_of_parameters():
    sizes = {"prithvi_eo_tiny": 3.6, "prithvi_eo_v1_100": 86.2}
    with torch.device("meta"):
        found = {name: build_encoder(name, temporal_dim=3, img_size=224) for name in sizes}
    millions = {name: sum(p.numel() for p in net.parameters()) / 1e6 for name, net in found.items()}
    assert millions == pytest.approx(sizes, abs=0.06)
