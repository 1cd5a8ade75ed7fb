"""Roles of settings: groups hand theirs down, and checkpoints of earlier versions are read."""

import pytest

from instageo.model.settings.fields import Role
from instageo.model.settings.keys import (
    cut_advice,
    group_keys,
    keys_with,
    setting_keys,
    values_before_they_existed,
    with_current_names,
)

LEAVES = set(setting_keys()) - group_keys()


def test_settings_of_a_group_inherit_its_roles():
    without_effect = set(keys_with(Role.no_effect_on_maps))
    groups = ("ray.", "tracking.", "distill.", "dataloader.augmentations.")
    inherited = {key for key in LEAVES if key.startswith(groups)}
    assert inherited <= without_effect
    assert "dataloader.augmentations.rotate.degrees" in inherited
    assert not without_effect & {"model.class_names", "model.depth", "dataloader.bands", "train.batch_size"}


@pytest.mark.parametrize("role", Role)
def test_roles_belong_to_settings_not_to_groups(role):
    assert keys_with(role)
    assert set(keys_with(role)) <= LEAVES


def test_a_checkpoint_either_fixes_a_setting_or_has_a_default_for_it():
    fixed, default, recorded = (
        set(keys_with(role))
        for role in (Role.fixed_by_checkpoint, Role.default_from_checkpoint, Role.recorded_in_checkpoint)
    )
    assert not fixed & default
    assert not (fixed | default) & recorded
    assert not (fixed | default) & set(keys_with(Role.free_on_resume))


def test_repeats_may_differ_in_the_seed_but_not_in_what_is_learnt():
    free = set(keys_with(Role.free_between_repeats))
    assert {"seed", "model.size", "dataloader.cache", "devices", "train.resume"} <= free
    assert not free & {"train.num_epochs", "train.early_stopping_patience", "checkpoint_path", "train.learning_rate"}


def test_keys_of_earlier_versions_become_present_ones():
    former = {"train.ema": 0.9, "model.width": 64, "distill.weight": 0.5, "seed": 1, "unknown.key": 2}
    current = {"train.ema_decay": 0.9, "model.embed_dim": 64, "distill.alpha": 0.5, "seed": 1, "unknown.key": 2}
    assert with_current_names(former) == current


def test_settings_that_are_newer_than_a_checkpoint_have_the_values_it_worked_with():
    assert values_before_they_existed() == {
        "model.head_channels": None, "model.embed_dim": None, "dataloader.label_mean": 0.0, "dataloader.label_std": 1.0,
        "dataloader.radar_unit": None, "model.date_pooling": "mean",
    }  # fmt: skip


def test_a_resumed_run_may_change_nothing_that_its_result_depends_on():
    free = {key for key in keys_with(Role.free_on_resume) if key.startswith(("train.", "model.", "dataloader."))}
    assert free == {
        "train.num_epochs", "train.early_stopping_patience", "train.resume", "train.overwrite", "train.lr_find.min",
        "train.lr_find.max", "train.lr_find.steps", "dataloader.num_workers", "model.gradient_checkpointing",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("checkpoint a.ckpt does not exist; check checkpoint_path", "checkpoint a.ckpt does not exist"),
        ("a.tif: has 4 layers, expected 6 (six bands); list them in dataloader.bands, or so",
         "a.tif: has 4 layers, expected 6 (six bands)"),
        ("a.tif: is damaged; copy it again", "a.tif: is damaged; copy it again"),
        ("dataloader.mean=auto needs a training table", ""),
    ],
)  # fmt: skip
def test_advice_on_settings_is_cut(sentence, rest):
    assert cut_advice(sentence) == rest
