"""Checkpoints: what they store with the weights, how published ones are read, and which fit a network."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import nn

from instageo.errors import CheckpointError
from instageo.model.chips.dates_and_location import COORDINATE_CONVENTION
from instageo.model.chips.distribution_shift import ValueRange
from instageo.model.networks.checkpoint import (
    BEST,
    Checkpoint,
    checkpoint_metadata,
    load_network_state,
    locate_checkpoint,
    read_checkpoint,
)
from instageo.model.registry.local_models import RECORD
from instageo.model.settings import ModelSettings, Settings, TrainSettings
from instageo.version import __version__

RANGE = ValueRange(((1.0,), (2.0,), (3.0,)), ((4.0,), (5.0,), (6.0,)))
WEIGHT = torch.tensor([[1.0, 2.0]])


def settings(**model):
    return replace(Settings(), model=replace(ModelSettings(), **model))


def write(path, state, **content):
    path.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": state, **content}, path)
    return path


def own_metadata(value_range=None, metrics=None):
    run = replace(settings(), train=replace(TrainSettings(), learning_rate=0.25))
    return checkpoint_metadata(settings(num_classes=3), run, value_range, metrics or {})


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path):
    assert locate_checkpoint(tmp_path) == tmp_path / "instageo_best_checkpoint.ckpt"
    assert locate_checkpoint(str(tmp_path / "last.ckpt")) == tmp_path / "last.ckpt"
    assert locate_checkpoint("~/mine.ckpt") == Path.home() / "mine.ckpt"


def test_metadata_is_settings_of_network_and_run_and_where_they_come_from():
    section = own_metadata(RANGE, {"val_IoU": 0.5})["instageo"]
    assert section["format"] == 2
    assert section["settings"]["model.num_classes"] == 3  # fixed by the checkpoint
    assert section["settings"]["dataloader.img_size"] == 224  # a default from the checkpoint
    assert section["settings"]["train.loss"] == Settings().train.loss  # recorded alone
    assert "train.learning_rate" not in section["settings"]
    assert section["run"]["model.num_classes"] == 2
    assert section["run"]["train.learning_rate"] == 0.25
    assert section["metrics"] == {"val_IoU": 0.5}
    assert section["value_range"] == RANGE.to_dict()
    assert section["coordinates"] == COORDINATE_CONVENTION
    assert section["versions"] == {"instageo": __version__} | {
        package: version(package) for package in ("torch", "pytorch-lightning", "rasterio", "numpy")
    }
    assert own_metadata()["instageo"]["value_range"] is None


def test_what_is_written_is_read(tmp_path):
    metadata = own_metadata(RANGE, {"val_IoU": 0.5})
    path = write(tmp_path / f"{BEST}.ckpt", {"net.head.weight": WEIGHT, "loss.weight": WEIGHT}, **metadata)
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint.path == path
    assert list(checkpoint.state) == ["head.weight"]
    assert torch.equal(checkpoint.state["head.weight"], WEIGHT)
    assert checkpoint.settings["model.num_classes"] == 3
    assert checkpoint.run["train.learning_rate"] == 0.25
    assert checkpoint.metrics == {"val_IoU": 0.5}
    assert checkpoint.value_range == RANGE


def test_checkpoints_of_earlier_versions_lack_what_did_not_exist(tmp_path):
    stored = {"settings": {"model.num_classes": 2, "model.width": 96}}
    checkpoint = read_checkpoint(write(tmp_path / "a.ckpt", {"net.weight": WEIGHT}, instageo=stored))
    assert checkpoint.settings["model.embed_dim"] == 96  # under its present name
    assert "model.width" not in checkpoint.settings
    assert (checkpoint.metrics, checkpoint.run, checkpoint.value_range) == ({}, {}, None)


def test_settings_of_a_run_that_are_not_stored_come_from_hydra(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("train: {learning_rate: 0.5, resume: None}\nunknown: 1\n")
    stored = {"settings": {"model.num_classes": 2}}
    checkpoint = read_checkpoint(write(tmp_path / "a.ckpt", {"net.weight": WEIGHT}, instageo=stored))
    assert checkpoint.run == {"train.learning_rate": 0.5, "train.resume": None}
    metadata = own_metadata()
    assert read_checkpoint(write(tmp_path / "b.ckpt", {"net.weight": WEIGHT}, **metadata)).run != checkpoint.run


def test_class_names_of_a_registry_are_used_if_they_are_as_many_as_classes(tmp_path):
    def names(stored, published):
        origin = {"registry": "registry.yaml", "model": "floods", "size": "tiny", "version": "1.0.0"}
        (tmp_path / RECORD).write_text(json.dumps(origin | {"classes": published, "files": {}}))
        path = write(tmp_path / "a.ckpt", {"net.weight": WEIGHT}, instageo={"settings": stored})
        return read_checkpoint(path).settings.get("model.class_names")

    assert names({"model.num_classes": 2}, ["land", "water"]) == ["land", "water"]
    assert names({"model.num_classes": 3}, ["land", "water"]) is None
    assert names({"model.num_classes": 2, "model.class_names": ["a", "b"]}, ["land", "water"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("kernel", "given", "head"),
    [
        (None, "", "upscaling"),
        ((1, 1, 3, 3), "", "upscaling"),
        ((1, 1, 2, 2), "", "upscaling_600m"),
        ((1, 1, 2, 2), ", head: linear", "linear"),
    ],
)
def test_settings_of_published_checkpoints_are_in_the_file_next_to_them(kernel, given, head, tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        f"model: {{num_classes: 5{given}}}\ntrain: {{learning_rate: 0.5, ignore_index: 7}}\n"
        "dataloader: {replace_label: None}\n"
    )
    state = {"net.prithvi_100M_backbone.cls_token": WEIGHT, "net.prithvi_100M_backbone.pos_embed": WEIGHT}
    state |= {"net.prithvi_100M_backbone.decoder_embed.weight": WEIGHT, "net.prithvi_encoder.mask_token": WEIGHT}
    state |= {} if kernel is None else {"net.segmentation_head.0.2.weight": torch.zeros(kernel)}
    checkpoint = read_checkpoint(write(tmp_path / "a.ckpt", state))
    assert set(checkpoint.state) - {"segmentation_head.0.2.weight"} == {"prithvi_encoder.cls_token"}
    assert checkpoint.settings["model.head"] == head
    assert checkpoint.settings["model.model_name"] == "prithvi_eo_v1_100"
    assert checkpoint.settings["model.num_classes"] == 5
    assert checkpoint.settings["train.ignore_index"] == 7
    assert checkpoint.settings["dataloader.replace_label"] is None
    assert "train.learning_rate" not in checkpoint.settings
    assert checkpoint.run["train.learning_rate"] == 0.5


def test_a_file_that_holds_no_network_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere.ckpt does not exist"):
        read_checkpoint(tmp_path / "nowhere.ckpt")
    for name, content in {"empty": {}, "other": {"state_dict": {"weight": WEIGHT}}}.items():
        torch.save(content, tmp_path / f"{name}.ckpt")
        with pytest.raises(CheckpointError, match=f"{name}.ckpt: holds no network"):
            read_checkpoint(tmp_path / f"{name}.ckpt")
    with pytest.raises(CheckpointError, match=r"bare.ckpt: stores no settings, and .*\.hydra/config.yaml does not"):
        read_checkpoint(write(tmp_path / "bare.ckpt", {"net.weight": WEIGHT}))
    with pytest.raises(CheckpointError, match=r"lora.ckpt: contains unmerged LoRA weights"):
        read_checkpoint(write(tmp_path / "lora.ckpt", {"net.q.lora_A.weight": WEIGHT}, **own_metadata()))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"bias": torch.zeros(1)}, "lacks weight (and 0 more)"),
        ({}, "lacks weight (and 1 more)"),
        ({"weight": WEIGHT, "bias": torch.zeros(1), "x": WEIGHT, "y": WEIGHT}, "has the unknown x (and 1 more)"),
        (
            {"weight": torch.zeros(1, 3), "bias": torch.zeros(1)},
            "has another shape of weight, [1, 3] instead of [1, 2] (and 0 more)",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_network_are_named(given, problem):
    with pytest.raises(CheckpointError) as error:
        load_network_state(nn.Linear(2, 1), Checkpoint(Path("a.ckpt"), given, {}, {}))
    assert str(error.value) == (f"a.ckpt: does not fit the network: {problem}; use the settings it was trained with")


def test_position_embeddings_are_those_of_the_network():
    net = nn.Linear(2, 1)
    net.prithvi_encoder = nn.Module()
    net.prithvi_encoder.pos_embed = nn.Parameter(torch.ones(3))
    load_network_state(net, Checkpoint(Path("a.ckpt"), {"weight": WEIGHT, "bias": torch.tensor([3.0])}, {}, {}))
    assert torch.equal(net.weight, WEIGHT)
    assert net.bias.item() == 3
    assert torch.equal(net.prithvi_encoder.pos_embed, torch.ones(3))
