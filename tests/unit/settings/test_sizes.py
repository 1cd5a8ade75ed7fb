"""Presets of sizes: what they decide, and that what a user sets, or a checkpoint knows, goes before."""

from dataclasses import replace
from pathlib import Path

import pytest

from instageo.errors import CheckpointError, ConfigError
from instageo.model.backbones.variants import VARIANTS
from instageo.model.networks.checkpoint import Checkpoint
from instageo.model.networks.factory import network_from_settings
from instageo.model.networks.segmenter import HEADS
from instageo.model.settings.compose import (
    default_config,
    flatten,
    settings_from_config,
    settings_to_dict,
    update_settings,
)
from instageo.model.settings.resolve import SIZES, SizePreset, apply_checkpoint, resolve_layout, size_settings


def settings(**told):
    """Those of the shipped configuration, and some of `model`."""
    return update_settings(
        settings_from_config(default_config()), {f"model.{key}": value for key, value in told.items()}
    )


@pytest.fixture
def small(monkeypatch):
    """A size of its own width."""
    monkeypatch.setitem(SIZES, "small", SizePreset("prithvi_eo_tiny", depth=2, embed_dim=64, head_channels=8))


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_made_of_what_there_is(size):
    assert SIZES[size].model_name in VARIANTS
    assert SIZES[size].head in HEADS
    assert resolve_layout(settings(size=size), frozenset(["model.size"])).model.model_name == SIZES[size].model_name


def test_a_size_decides_what_is_not_set(small):
    net = network_from_settings(resolve_layout(settings(size="small"), frozenset(["model.size"])))
    assert (net.prithvi_encoder.embed_dim, len(net.prithvi_encoder.blocks)) == (64, 2)
    assert net.segmentation_head.keep.in_channels == 8


def test_what_is_set_goes_before_the_size(small):
    chosen = settings(size="small", depth=3, head="linear")
    explicit = frozenset(["model.size", "model.depth", "model.head"])
    found = resolve_layout(chosen, explicit).model
    assert (found.depth, found.embed_dim, found.head, found.head_channels) == (3, 64, "linear", None)
    assert resolve_layout(resolve_layout(chosen, explicit), explicit) == resolve_layout(chosen, explicit)


def test_without_a_size_nothing_changes():
    assert size_settings(settings(depth=3), frozenset()) == {}


def test_an_unknown_size_is_refused_with_the_known():
    with pytest.raises(ConfigError, match=r"model\.size=huge is unknown; choose one of tiny, student, normal, teacher"):
        resolve_layout(settings(size="huge"), frozenset(["model.size"]))


def test_a_checkpoint_of_another_size_contradicts_it(small):
    stored = {"model.model_name": "prithvi_eo_tiny", "model.depth": 2, "model.embed_dim": 64, "model.head": "light"}
    checkpoint = Checkpoint(Path("x.ckpt"), {}, stored | {"model.head_channels": 8}, {})
    chosen, explicit = settings(size="small"), frozenset(["model.size"])
    assert apply_checkpoint(chosen, checkpoint, explicit).model.embed_dim == 64
    other = replace(checkpoint, settings=checkpoint.settings | {"model.embed_dim": 128})
    with pytest.raises(
        CheckpointError, match=r"was trained with model\.embed_dim=128, but model\.embed_dim=64 was asked for"
    ):
        apply_checkpoint(chosen, other, explicit)
    assert flatten(settings_to_dict(apply_checkpoint(settings(), other, frozenset())))["model.embed_dim"] == 128
