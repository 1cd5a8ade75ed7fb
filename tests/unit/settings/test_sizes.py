"""Presets of sizes; explicit settings and checkpoints take precedence over them."""

from dataclasses import replace
from pathlib import Path

import pytest

from instageo.errors import CheckpointError, ConfigError
from instageo.model.backbones.variants import VARIANTS
from instageo.model.heads.factory import HEADS
from instageo.model.networks.checkpoint import Checkpoint
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.settings.compose import default_settings, update_settings
from instageo.model.settings.network import SIZES, SizePreset
from instageo.model.settings.resolve import resolve


def settings(**given):
    """The shipped configuration with some settings of `model`."""
    return update_settings(default_settings(), {f"model.{key}": value for key, value in given.items()})


@pytest.fixture
def small(monkeypatch):
    """A size of its own width."""
    monkeypatch.setitem(SIZES, "small", SizePreset("prithvi_eo_tiny", depth=2, embed_dim=64, head_channels=8))


@pytest.mark.parametrize("size", SIZES)
def test_every_size_names_a_variant_and_a_head(size):
    assert SIZES[size].model_name in VARIANTS
    assert SIZES[size].head in HEADS
    assert resolve(settings(size=size), frozenset(["model.size"])).model.model_name == SIZES[size].model_name


def test_a_size_decides_settings_that_are_not_explicit(small):
    net = network_from_settings(resolve(settings(size="small"), frozenset(["model.size"])))
    assert (net.prithvi_encoder.embed_dim, len(net.prithvi_encoder.blocks)) == (64, 2)
    assert net.segmentation_head.keep.in_channels == 8


def test_explicit_settings_take_precedence_over_the_size(small):
    chosen = settings(size="small", depth=3, head="linear")
    explicit = frozenset(["model.size", "model.depth", "model.head"])
    found = resolve(chosen, explicit).model
    assert (found.depth, found.embed_dim, found.head, found.head_channels) == (3, 64, "linear", None)
    assert resolve(resolve(chosen, explicit), explicit) == resolve(chosen, explicit)


def test_without_a_size_the_settings_of_the_network_stay():
    assert resolve(settings(depth=3)).model == settings(depth=3).model


def test_an_unknown_size_is_refused_with_the_available_ones():
    with pytest.raises(ConfigError, match=r"model\.size=huge is unknown; choose one of tiny, student, normal, teacher"):
        resolve(settings(size="huge"), frozenset(["model.size"]))


@pytest.fixture
def checkpoint():
    """A checkpoint of the size `small`."""
    stored = {"model.model_name": "prithvi_eo_tiny", "model.depth": 2, "model.embed_dim": 64, "model.head": "light"}
    return Checkpoint(Path("x.ckpt"), {}, stored | {"model.head_channels": 8}, {})


def test_a_checkpoint_of_another_size_is_refused(small, checkpoint):
    chosen, explicit = settings(size="small"), frozenset(["model.size"])
    assert resolve(chosen, explicit, checkpoint=checkpoint).model.embed_dim == 64
    other = replace(checkpoint, settings=checkpoint.settings | {"model.embed_dim": 128})
    with pytest.raises(CheckpointError, match=r"with model\.embed_dim=128, but you passed model\.embed_dim=64; remove"):
        resolve(chosen, explicit, checkpoint=other)
    assert resolve(settings(), checkpoint=other).model.embed_dim == 128


def test_a_checkpoint_decides_over_a_size_that_is_not_explicit(small, checkpoint):  # as after training with size=tiny
    deeper = replace(checkpoint, settings=checkpoint.settings | {"model.depth": 3})
    assert resolve(settings(size="small", depth=3), checkpoint=deeper).model.depth == 3
