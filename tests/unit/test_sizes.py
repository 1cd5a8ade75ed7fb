"""Presets of sizes: what they decide, and that what a user sets, or a checkpoint knows, goes before."""

from dataclasses import replace
from pathlib import Path

import pytest

from instageo.errors import CheckpointError, ConfigError
from instageo.model.assemble import build
from instageo.model.backbones.variants import VARIANTS
from instageo.model.checkpoint import Checkpoint, adopt
from instageo.model.config import flatten, overlay, settings_from, shipped_config, to_plain
from instageo.model.layout import complete
from instageo.model.network import HEADS
from instageo.model.sizes import SIZES, Size, told_by_size


def settings(**told):
    """Those of the shipped configuration, and some of `model`."""
    return overlay(settings_from(shipped_config()), {f"model.{key}": value for key, value in told.items()})


@pytest.fixture
def small(monkeypatch):
    """A size of its own width."""
    monkeypatch.setitem(SIZES, "small", Size("prithvi_eo_tiny", depth=2, width=64, head_width=8))


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_made_of_what_there_is(size):
    assert SIZES[size].model_name in VARIANTS
    assert SIZES[size].head in HEADS
    assert complete(settings(size=size), frozenset(["model.size"])).model.model_name == SIZES[size].model_name


def test_a_size_decides_what_is_not_set(small):
    net = build(complete(settings(size="small"), frozenset(["model.size"])))
    assert (net.prithvi_encoder.width, len(net.prithvi_encoder.blocks)) == (64, 2)
    assert net.segmentation_head.keep.in_channels == 8


def test_what_is_set_goes_before_the_size(small):
    chosen = settings(size="small", depth=3, head="linear")
    explicit = frozenset(["model.size", "model.depth", "model.head"])
    found = complete(chosen, explicit).model
    assert (found.depth, found.width, found.head, found.head_width) == (3, 64, "linear", None)
    assert complete(complete(chosen, explicit), explicit) == complete(chosen, explicit)


def test_without_a_size_nothing_changes():
    assert told_by_size(settings(depth=3), frozenset()) == {}


def test_an_unknown_size_is_refused_with_the_known():
    with pytest.raises(ConfigError, match=r"model\.size=huge is unknown; choose one of tiny, student, normal, teacher"):
        complete(settings(size="huge"), frozenset(["model.size"]))


def test_a_checkpoint_of_another_size_contradicts_it(small):
    stored = {"model.model_name": "prithvi_eo_tiny", "model.depth": 2, "model.width": 64, "model.head": "light"}
    checkpoint = Checkpoint(Path("x.ckpt"), {}, stored | {"model.head_width": 8}, {})
    chosen, explicit = settings(size="small"), frozenset(["model.size"])
    assert adopt(chosen, checkpoint, explicit).model.width == 64
    other = replace(checkpoint, settings=checkpoint.settings | {"model.width": 128})
    with pytest.raises(CheckpointError, match=r"was trained with model\.width=128, but model\.width=64 was asked for"):
        adopt(chosen, other, explicit)
    assert flatten(to_plain(adopt(settings(), other, frozenset())))["model.width"] == 128
