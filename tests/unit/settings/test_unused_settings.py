"""Settings that have no effect are told."""

import pytest

from instageo.model.settings import Mode
from instageo.model.settings.keys import is_setting
from instageo.model.settings.keywords import settings_from_keywords
from instageo.model.settings.unused_settings import CONDITIONS, MODES, describe_ineffective, describe_unused_in_mode


def ineffective(**values):
    named = {key.replace("__", "."): value for key, value in values.items()}
    return describe_ineffective(settings_from_keywords(named), named)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"test__mask_cloud": True}, "a chip has one date (dataloader.temporal_dim=1)"),
        ({"test__img_size": 224}, "images of any size are predicted whole; tiles have test.crop_size"),
        ({"train__plateau_patience": 9}, "train.scheduler is not plateau"),
        ({"model__lora_alpha": 4.0}, "model.lora_rank is not set"),
        ({"model__coords_dropout": 0.5, "model__model_name": "prithvi_eo_tiny"}, "takes no dates and location"),
        ({"model__drop_path": 0.1, "model__model_name": "conv_nano"}, "networks have no transformer blocks"),
        ({"train__layer_decay": 0.9, "model__model_name": "conv_nano"}, "networks have no transformer blocks"),
        ({"model__date_pooling": "attention", "model__model_name": "conv_nano"}, "networks and several dates"),
        ({"model__include_ee_metric": True}, "is_reg_task=true is missing"),
        ({"model__expected_error": [0.1, 0.1], "is_reg_task": True}, "model.include_ee_metric is false"),
        ({"ray__max_retries": 5}, "engine=ray is missing"),
        ({"tracking__name": "mine"}, "logger is neither mlflow nor wandb"),
        ({"dataloader__augmentations__blur__sigma": 2.0}, "dataloader.augmentations.blur.use is false"),
    ],
)
def test_each_combination_is_told_once(values, reason):
    [sentence] = ineffective(**values)
    assert sentence.startswith(f"{next(iter(values)).replace('__', '.')} has no effect, because ")
    assert sentence.endswith(reason)


@pytest.mark.parametrize(
    "values",
    [
        {"test__mask_cloud": True, "dataloader__temporal_dim": 3},
        {"test__mask_cloud": False},  # the default
        {"train__plateau_patience": 9, "train__scheduler": "plateau"},
        {"model__lora_alpha": 4.0, "model__lora_rank": 8},
        {"model__include_ee_metric": True, "model__expected_error": [0.1, 0.1], "is_reg_task": True},
        {"ray__max_retries": 5, "engine__kind": "ray"},
        {"dataloader__augmentations__blur__sigma": 2.0, "dataloader__augmentations__blur__use": True},
        {"dataloader__augmentations__hflip__use": False},
    ],
)
def test_settings_with_an_effect_are_not_told(values):
    assert ineffective(**values) == []


def test_no_setting_is_ineffective_because_of_itself():
    for condition in CONDITIONS:
        assert not [key for key in condition.keys if condition.reason.startswith(f"{key} ")], condition


def test_settings_of_other_modes_are_told_if_they_are_on_the_command_line():
    typed = ["train.num_epochs", "train.batch_size", "train.loss", "devices", "mode", "hydra.run.dir"]
    assert describe_unused_in_mode(Mode.train, typed) == []
    assert describe_unused_in_mode(Mode.eval, typed) == [
        "devices has no effect in mode=eval; it is for train, lr_find",
        "train.num_epochs has no effect in mode=eval; it is for train, lr_find",
    ]
    blur = ["dataloader.augmentations.blur.use"]
    assert describe_unused_in_mode(Mode.show_batch, blur) == []
    assert len(describe_unused_in_mode(Mode.chip_inference, blur)) == 1
    assert describe_unused_in_mode(Mode.train, ["output_dir"]) == [
        "output_dir has no effect in mode=train; it is for chip_inference"
    ]


def test_all_named_settings_exist():
    named = [key for condition in CONDITIONS for key in condition.keys] + list(MODES)
    assert [key for key in named if not is_setting(key)] == []
