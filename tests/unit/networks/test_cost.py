"""Cost of a network against numbers by hand."""

import json

import pytest
import torch
from typer.testing import CliRunner

from instageo.cli import app
from instageo.errors import ConfigError
from instageo.model.backbones.variants import all_variants
from instageo.model.networks.cost import NetworkCost, compute_network_cost, count_forward_flops
from instageo.model.networks.segmenter import build_network


def test_flops_of_a_vision_transformer_by_hand():
    """V1 100M, one date: 196 patches and a class token through 12 blocks of 768 channels, then a linear head."""
    tokens, dim = 197, 768
    block = 12 * dim**2 * tokens + 2 * tokens**2 * dim  # four projections and two of four times the width; attention
    patches = 196 * 6 * 16**2 * dim
    head = 196 * dim * 5
    cost = compute_network_cost("prithvi_eo_v1_100", num_classes=5, head="linear")
    assert cost.flops == 2 * (12 * block + patches + head)
    with torch.device("meta"):
        net = build_network("prithvi_eo_v1_100", num_classes=5, head="linear")
        assert count_forward_flops(net, torch.empty(1, 6, 1, 224, 224)) == cost.flops


def test_flops_of_another_embed_dim_and_depth_by_hand():
    tokens, dim = 5, 32
    block = 12 * dim**2 * tokens + 2 * tokens**2 * dim
    sizes = {"img_size": 32, "head": "linear", "depth": 3, "embed_dim": dim}
    assert compute_network_cost("prithvi_eo_tiny", **sizes).flops == 2 * (3 * block + 4 * 6 * 16**2 * dim + 4 * dim * 2)


def test_bytes_of_weights_and_training_by_hand():
    cost = compute_network_cost("prithvi_eo_tiny", num_classes=2, img_size=32, head="linear")
    assert cost.weight_bytes == 4 * cost.parameters
    assert NetworkCost(parameters=10, flops=0, weight_bytes=40, activation_bytes=7).training_bytes == 10 * 12 + 40
    assert NetworkCost(parameters=10, flops=0, weight_bytes=40, activation_bytes=70).training_bytes == 10 * 12 + 70


def test_activations_grow_with_the_image():
    small, large = (
        compute_network_cost("prithvi_eo_tiny", num_classes=2, img_size=side, head="linear").activation_bytes
        for side in (64, 128)
    )
    assert 3.5 < large / small < 4.5  # four times the patches, one class token


@pytest.mark.slow
def test_the_models_command_lists_variants_with_sizes_and_weights(monkeypatch):
    names = ("prithvi_eo_tiny", "prithvi_eo_v2_tiny_tl", "conv_nano")
    chosen = {name: variant for name, variant in all_variants().items() if name in names}
    monkeypatch.setattr(
        "instageo.model.commands.models.all_variants", lambda: dict(sorted(chosen.items(), reverse=True))
    )
    done = CliRunner().invoke(app, ["models", "--img-size", "64", "--temporal-dim", "2", "--head", "light", "--json"])
    second, first, convolutional, *sizes = json.loads(done.stdout)
    assert (convolutional["model_name"], convolutional["weights"]) == ("conv_nano", None)
    assert [(size["size"], size["model_name"]) for size in sizes] == [
        ("tiny", "prithvi_eo_tiny"),
        ("student", "prithvi_eo_v2_tiny_tl"),
        ("normal", "prithvi_eo_v2_100_tl"),
        ("teacher", "prithvi_eo_v2_300_tl"),
    ]
    assert sizes[1]["parameters"] == second["parameters"] < sizes[2]["parameters"] < sizes[3]["parameters"]
    assert (first["model_name"], first["weights"]) == ("prithvi_eo_tiny", None)
    assert second["weights"]["repository"] == "ibm-nasa-geospatial/Prithvi-EO-2.0-tiny-TL"
    assert len(second["weights"]["revision"]) == 40
    assert (
        second["flops"]
        == compute_network_cost("prithvi_eo_v2_tiny_tl", temporal_dim=2, img_size=64, head="light").flops
    )
    shown = CliRunner().invoke(app, ["models", "--img-size", "64"], env={"COLUMNS": "80"}).stdout
    assert "prithvi_eo_v2_tiny_tl" in shown
    assert "64 x 64 pixels, 1 date, head light" in shown
    assert "none (random)" in shown


def test_an_unknown_head_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"model\.head=nope is unknown; choose one of upscaling, light"):
        compute_network_cost("prithvi_eo_tiny", head="nope")
