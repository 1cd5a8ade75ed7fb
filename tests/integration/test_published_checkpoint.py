"""Checkpoints as InstaGeo published them, with an early configuration file and early or present names of tensors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from instageo import load_model
from instageo.errors import CheckpointError
from instageo.model import build_network
from instageo.model.backbones.variants import VARIANTS
from instageo.raster.reading import read_raster
from tests.integration.conftest import write_chips
from tests.reference import deviation, filled, standard_image

FIGURES = json.loads((Path(__file__).parents[1] / "unit" / "backbones" / "parity_figures.json").read_text())
EARLY = """
root_dir: None
valid_filepath: valid.csv
train_filepath: train.csv
test_filepath: null
checkpoint_path: null
mode: train
train: {learning_rate: 0.0001, num_epochs: 10, batch_size: 8, class_weights: [1, 2], ignore_index: -1,
        weight_decay: 0.01}
model: {freeze_backbone: false, num_classes: 2%s}
dataloader: {bands: [0, 1, 2, 3, 4, 5], mean: [0, 0, 0, 0, 0, 0], std: [1, 1, 1, 1, 1, 1], img_size: 224,
             temporal_dim: 1, replace_label: None, reduce_to_zero: false, no_data_value: -9999,
             constant_multiplier: 1}
test: {img_size: 224, crop_size: 224, stride: 224, mask_cloud: false}
"""
LIGHTNING = {
    "epoch": 9,
    "pytorch-lightning_version": "2.1.0",
    "callbacks": {"ModelCheckpoint{'monitor': 'val_IoU'}": {"best_model_score": torch.tensor(0.5)}},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}],
}


def publish(folder, state, model=""):
    """Write a run directory; `model` holds further keys of the configuration's section of that name."""
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text(EARLY % model)
    torch.save(LIGHTNING | {"state_dict": state}, folder / "instageo_best_checkpoint.ckpt")
    return folder


@pytest.mark.parametrize(
    ("number", "encoder", "model"),
    [(2, "prithvi_100M_backbone", ", depth: 1"), (0, "prithvi_encoder", ", model_name: prithvi_eo_tiny, depth: -1")],
    ids=["v1_100", "tiny"],
)
def test_a_published_checkpoint_gives_the_original_logits(number, encoder, model, tmp_path):  # pitfalls 1, 30, 36
    case = FIGURES["segmenter"][number]
    own = {key: filled(key, torch.empty(shape)) for key, shape in case["state_dict"].items()}
    own["net.prithvi_encoder.pos_embed"] = torch.ones(1, 589, case["state_dict"]["net.prithvi_encoder.cls_token"][-1])
    state = {key.replace("prithvi_encoder", encoder): value for key, value in own.items()}
    state |= {f"net.{encoder}.{name}": torch.ones(3) for name in ("decoder.x", "decoder_embed.weight", "mask_token")}
    predictor = load_model(
        publish(tmp_path, state | {"criterion.weight": torch.tensor([1.0, 2.0])}, model), device="cpu"
    )
    assert predictor.settings.model.model_name == case["model_name"]
    assert predictor.settings.model.head == "upscaling"
    image = standard_image(1, 224)
    with torch.inference_mode():
        logits = predictor.net(image)
    assert deviation(logits, case["logits"]) < 1e-4
    prediction = predictor.predict(image[1].numpy())
    np.testing.assert_allclose(prediction.probabilities, logits[1].softmax(0), atol=1e-5)
    assert (prediction.classes == prediction.probabilities.argmax(0)).all()


@pytest.fixture
def narrow(monkeypatch):
    """Function that narrows a variant and returns a network and its published state."""

    def make(model_name, head="upscaling"):
        monkeypatch.setitem(VARIANTS, model_name, replace(VARIANTS[model_name], embed_dim=64, depth=1, num_heads=4))
        torch.manual_seed(0)
        net = build_network(model_name, num_classes=2, head=head).eval()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean)
        return net, {f"net.{key}": value for key, value in net.state_dict().items()}

    return make


@pytest.mark.parametrize("size", [(224, 224), (224, 300)])
def test_the_published_600m_head_is_recognised_by_its_kernels(narrow, tmp_path, size):  # pitfalls 2, 28
    net, state = narrow("prithvi_eo_v2_600", "upscaling_600m")
    assert [state[f"net.segmentation_head.{level}.2.weight"].shape[-1] for level in range(4)] == [5, 5, 5, 7]
    predictor = load_model(publish(tmp_path, state, ", model_name: prithvi_eo_v2_600"), device="cpu")
    assert predictor.settings.model.head == "upscaling_600m"
    image = torch.randn(6, *size)
    prediction = predictor.predict(image.numpy())
    assert prediction.classes.shape == size
    with torch.inference_mode():
        first = net(image[None, :, None, :, :224])[0].softmax(0)
    np.testing.assert_allclose(
        prediction.probabilities[..., :76], first[..., :76], atol=1e-5
    )  # pixels of a single tile


def test_maps_of_a_published_checkpoint_lie_on_the_grid_of_the_chip(narrow, tmp_path):  # pitfalls 2, 6
    _, state = narrow("prithvi_eo_v1_100")
    predictor = load_model(publish(tmp_path, state), device="cpu")
    chip = write_chips(tmp_path / "data", count=3) / "chips" / "chip_0.tif"
    prediction = predictor.predict(chip)
    assert prediction.grid == read_raster(chip).grid
    assert (prediction.classes[:4, :4] == 255).all()
    assert set(np.unique(prediction.classes[4:])) <= {0, 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net.segmentation_head.2.3.running_var": None}, r"lacks segmentation_head\.2\.3\.running_var"),
        ({"net.prithvi_encoder.blocks.0.mlp.fc1.bias": None}, r"lacks prithvi_encoder\.blocks\.0\.mlp\.fc1\.bias"),
        ({"net.prithvi_encoder.cls_token": (1, 1, 768)}, r"prithvi_encoder\.cls_token, \[1, 1, 768\] .* \[1, 1, 64\]"),
        ({"net.segmentation_head.5.bias": (3,)}, r"segmentation_head\.5\.bias, \[3\] instead of \[2\]"),
        ({"net.segmentation_head.6.bias": (3,)}, r"has the unknown segmentation_head\.6\.bias"),
        ({"net.prithvi_encoder.blocks.1.norm1.bias": (64,)}, r"unknown prithvi_encoder\.blocks\.1\.norm1\.bias"),
    ],
)
def test_a_published_checkpoint_with_missing_or_misshapen_tensors_is_refused_by_name(narrow, change, words, tmp_path):
    _, state = narrow("prithvi_eo_v1_100")
    state |= {key: torch.ones(shape) if shape else None for key, shape in change.items()}
    publish(tmp_path, {key: value for key, value in state.items() if value is not None})
    with pytest.raises(CheckpointError, match=rf"does not fit the network: .*{words} .*use the settings") as refused:
        load_model(tmp_path, device="cpu")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoder", ["prithvi_encoder", "prithvi_100M_backbone"])
def test_tensors_outside_the_network_are_ignored(narrow, encoder, tmp_path):  # pitfall 30
    net, state = narrow("prithvi_eo_v1_100")
    state = {key.replace("prithvi_encoder", encoder): value for key, value in state.items() if "pos_embed" not in key}
    loaded = load_model(
        publish(tmp_path, state | {"metric.confusion": torch.ones(2, 2)}), device="cpu"
    ).net.state_dict()
    for key, value in net.state_dict().items():
        assert torch.equal(loaded[key], value), key
