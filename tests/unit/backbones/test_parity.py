"""Encoder and segmenter agree with the original implementations to 1e-4 relative, and with a NumPy reference."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from instageo.model import build_encoder, build_network
from instageo.model.backbones.variants import VARIANTS, find_variant, pyramid_blocks
from tests.reference import deviation, fill, standard_image
from tests.reference_encoder import encode

FIGURES = json.loads(Path(__file__).with_name("parity_figures.json").read_text())
ENCODERS = [pytest.param(case, id=f"{case['model_name']}-T{case['temporal_dim']}") for case in FIGURES["encoder"]]
SEGMENTERS = [pytest.param(case, id=f"{case['model_name']}-T{case['temporal_dim']}") for case in FIGURES["segmenter"]]
COORDINATES = ("temporal_coords", "location_coords")
TIME_AND_PLACE = ("temporal_embed_enc", "location_embed_enc")
PUBLISHED = {
    # millions of parameters, embed_dim, depth, num_heads, patch_size, num_frames, coordinates
    "prithvi_eo_v2_tiny_tl": (5.6, 192, 12, 3, 16, 1, TIME_AND_PLACE),
    "prithvi_eo_tiny": (3.6, 256, 4, 4, 16, 1, ()),
    "prithvi_eo_v1_100": (86.2, 768, 12, 12, 16, 3, ()),
    "prithvi_eo_v2_100": (86.2, 768, 12, 12, 16, 4, ()),
    "prithvi_eo_v2_100_tl": (86.2, 768, 12, 12, 16, 4, TIME_AND_PLACE),
    "prithvi_eo_v2_300": (303.9, 1024, 24, 16, 16, 4, ()),
    "prithvi_eo_v2_300_tl": (303.9, 1024, 24, 16, 16, 4, TIME_AND_PLACE),
    "prithvi_eo_v2_600": (631.2, 1280, 32, 16, 14, 4, ()),
    "prithvi_eo_v2_600_tl": (631.2, 1280, 32, 16, 14, 4, TIME_AND_PLACE),
}


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


def encoder(case):
    return build_encoder(case["model_name"], **{name: case[name] for name in ("temporal_dim", "img_size", "depth")})


@pytest.mark.parametrize("case", ENCODERS)
def test_encoder_features_agree(case):  # pitfall 26
    net = fill(encoder(case), "encoder.")
    image = standard_image(case["temporal_dim"], case["img_size"])
    coords = {name: torch.tensor(case[name]) for name in COORDINATES if case[name] is not None}
    with torch.inference_mode():
        features = net.forward_features(image, **coords)
        assert deviation(features[0], case["first_features"]) < 1e-4
        assert deviation(features[-1], case["last_features"]) < 1e-4
        assert torch.equal(net(image, **coords), features[-1])


@pytest.mark.parametrize("case", ENCODERS)
def test_encoder_keys_shapes_and_parameters_are_the_published_ones(case):
    with torch.device("meta"):
        net = encoder(case)
    published = {
        key.removeprefix("encoder."): shape for key, shape in case["checkpoint"].items() if key.startswith("encoder.")
    }
    ours = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert ours.keys() == published.keys()
    computed = {"pos_embed": ours["pos_embed"]}  # for other sizes than the published ones
    assert ours == published | computed
    assert sum(parameter.numel() for parameter in net.parameters()) == case["params"]


@pytest.mark.parametrize("model_name", PUBLISHED)
def test_every_variant_has_the_published_size(model_name):
    millions, embed_dim, depth, num_heads, patch_size, num_frames, coordinates = PUBLISHED[model_name]
    with torch.device("meta"):
        net = build_encoder(model_name, temporal_dim=num_frames, img_size=224)
    assert sum(parameter.numel() for parameter in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert net.patch_embed.proj.weight.shape == (embed_dim, 6, 1, patch_size, patch_size)
    assert [block.attn.num_heads for block in net.blocks] == [num_heads] * depth
    assert net.pos_embed.shape == (1, 1 + num_frames * (224 // patch_size) ** 2, embed_dim)
    assert [key for key in net.state_dict() if key.endswith("scale")] == [f"{name}.scale" for name in coordinates]
    assert find_variant(model_name).num_frames == num_frames


def test_every_variant_is_checked():
    assert PUBLISHED.keys() == VARIANTS.keys()


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(12, (2, 5, 8, 11)), (24, (5, 11, 17, 23)), (32, (7, 15, 23, 31)), (4, (0, 1, 2, 3)), (1, (0, 0, 0, 0))],
)
def test_a_pyramid_has_the_published_blocks(depth, expected):
    assert pyramid_blocks(depth) == expected


DAYS = [[2020.0, 366.0], [2018.0, 10.0], [2021.0, 1.0], [1999.0, 200.0]]
PLACES = [[12.5, -3.25], [-41.0, 146.5]]


@pytest.mark.parametrize(
    ("model_name", "depth", "num_dates", "height", "width"),
    [
        ("prithvi_eo_v2_tiny_tl", 2, 3, 50, 33),  # not multiples of the patch size
        ("prithvi_eo_v2_100_tl", 2, 4, 32, 48),
        ("prithvi_eo_v2_300", 1, 2, 16, 80),
        ("prithvi_eo_v2_300_tl", 1, 1, 48, 32),
        ("prithvi_eo_v2_600_tl", 1, 2, 28, 42),
    ],
)
def test_encoder_agrees_with_one_written_in_numpy(model_name, depth, num_dates, height, width):  # pitfalls 16, 26
    net = fill(build_encoder(model_name, temporal_dim=1, img_size=224, depth=depth), "encoder.")
    image = torch.randn(2, 6, num_dates, height, width, generator=torch.Generator().manual_seed(0))
    coords = (DAYS[:num_dates], DAYS[-num_dates:]), PLACES  # the two samples differ
    coords = coords if find_variant(model_name).coordinates else (None, None)
    expected = encode(net.state_dict(), find_variant(model_name).num_heads, image, *coords)
    with torch.inference_mode():
        features = net.forward_features(image, *(None if part is None else torch.tensor(part) for part in coords))
    assert len(features) == depth
    for actual, reference in zip(features, expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=0, atol=1e-5 * np.abs(reference).max())
