"""The shipped YAML, the dataclasses and the presets agree; keys are found by what a user may write."""

import re

import pytest
from omegaconf import OmegaConf

from instageo.errors import ConfigError
from instageo.model.settings import Settings
from instageo.model.settings.compose import (
    CONFIGS,
    default_settings,
    read_yaml,
    settings_to_dict,
    update_settings,
)
from instageo.model.settings.keys import flatten, setting_keys, unknown_key_message

PRESETS = [path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "config"]


def test_the_yaml_names_every_setting_with_the_default_of_its_dataclass():  # pitfall 19
    stored = {key: value for key, value in read_yaml(CONFIGS / "config.yaml").items() if not key.startswith("hydra")}
    stored.pop("defaults")
    assert stored == flatten(settings_to_dict(Settings()))
    assert settings_to_dict(default_settings()) == settings_to_dict(Settings())


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_as_dictionaries_are_those_of_omegaconf(preset):
    stored = {key: value for key, value in read_yaml(CONFIGS / f"{preset}.yaml").items() if key != "defaults"}
    settings = update_settings(Settings(), stored)
    reference = OmegaConf.to_container(OmegaConf.structured(settings), enum_to_str=True)
    assert settings_to_dict(settings) == reference


def test_an_update_of_groups_leaves_the_rest_and_the_original_alone():
    before = Settings()
    after = update_settings(before, {"train.num_epochs": 3, "dataloader.augmentations.hflip.use": True})
    changed = {"train.num_epochs": 3, "dataloader.augmentations.hflip.use": True}
    assert flatten(settings_to_dict(after)) == flatten(settings_to_dict(Settings())) | changed
    assert before == Settings()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train.num_epochs", "many", "train.num_epochs"),
        ("train.num_epoch", 3, "unknown setting 'train.num_epoch'; did you mean train.num_epochs?"),
        ("dataloader.augmentations.hflip.p", 2.0, "dataloader.augmentations.*.p=2.0 does not work"),
        ("train.class_weights", [1.0], "train.class_weights=[1.0] does not work"),  # two classes
        ("seed", "x", "seed"),
        ("sed", 1, "unknown setting 'sed'; did you mean seed?"),
    ],
)
def test_an_update_that_does_not_fit_names_the_setting(key, value, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        update_settings(Settings(), {key: value})


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_holds_differences_alone(preset):
    shipped = flatten(settings_to_dict(Settings()))
    stored = read_yaml(CONFIGS / f"{preset}.yaml")
    assert stored.pop("defaults") == ["config", "_self_"]
    same = {
        "model.num_classes",
        "dataloader.temporal_dim",
        "train.num_epochs",
        "train.batch_size",
        "train.learning_rate",
    }
    for key, value in stored.items():
        assert key in shipped
        assert shipped[key] != value or key in same  # what a task is known by may repeat a default


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("train.lr", "train.learning_rate"),
        ("lr", "train.learning_rate"),
        ("epochs", "train.num_epochs"),
        ("model.name", "model.model_name"),
        ("dataloader.batch_size", "train.batch_size"),
        ("dataloader.augmentations.flip.use", "dataloader.augmentations.hflip.use"),
        ("data_loader.bands", "dataloader.bands"),
        ("dataloader.bacth", "train.batch_size"),
        ("model.nam", "model.model_name"),
    ],
)
def test_the_nearest_key(wrong, right):
    assert unknown_key_message(wrong) == f"unknown setting '{wrong}'; did you mean {right}?"


def test_a_key_like_none_is_told_what_there_is():
    assert "model has size, model_name, load_pretrained_weights, weights" in unknown_key_message("model.zzzzqqq")
    assert "the groups are train, model, dataloader" in unknown_key_message("zzzzqqq")


def test_published_keys_are_all_known():
    published = (
        "root_dir valid_filepath train_filepath test_filepath checkpoint_path mode is_reg_task train.learning_rate "
        "train.num_epochs train.batch_size train.class_weights train.ignore_index train.weight_decay train.scheduler "
        "train.distillation train.teacher_ckpt_path model.model_name model.freeze_backbone "
        "model.load_pretrained_weights model.num_classes model.use_log_scale model.plot_reg_results "
        "model.include_ee_metric model.weight_clip_range model.depth dataloader.bands dataloader.mean dataloader.std "
        "dataloader.img_size dataloader.temporal_dim dataloader.replace_label dataloader.reduce_to_zero "
        "dataloader.no_data_value dataloader.constant_multiplier dataloader.max_pixel_value dataloader.num_workers "
        "dataloader.augmentations.hflip dataloader.augmentations.vflip dataloader.augmentations.rotate "
        "dataloader.augmentations.brightness dataloader.augmentations.blur dataloader.augmentations.noise "
        "test.img_size test.crop_size test.stride test.mask_cloud"
    )
    assert set(published.split()) <= set(setting_keys())


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"mode": "trian"}, "train"),
        ({"engine.kind": "rya"}, "ray"),
        ({"dataloader.label_kind": "chips"}, "chip"),
        ({"precision": "16mixed"}, "16-mixed"),
        ({"strategy": "dpp"}, "ddp"),
        ({"logger": "tensorbord"}, "tensorboard"),
        ({"dataloader.on_bad_row": "skp"}, "skip"),
        ({"train.class_weights": "invers"}, "inverse"),
        ({"dataloader.sensor": "hls_s3"}, "hls_s30"),
    ],
)
def test_the_nearest_value(values, hint):
    with pytest.raises(ConfigError, match=rf"; did you mean {hint}\?$"):
        update_settings(Settings(), values)
