"""Formats of chips and labels follow the settings."""

import pytest

from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.chip_labels import ChipClassFormat, ChipMultiLabelFormat, ChipValueFormat
from instageo.model.chips.from_settings import chip_format_from_settings, label_format_from_settings
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.settings import DataSettings, LabelKind, ModelSettings, Settings, TrainSettings
from instageo.model.settings.derived import describe_layout


def test_formats_follow_the_settings():
    settings = Settings(
        train=TrainSettings(ignore_index=255),
        model=ModelSettings(num_classes=13),
        dataloader=DataSettings(
            temporal_dim=2, mean=[1, 2], std=[1, 1], bands=[3, 2, 1, 0], no_data_value=0, constant_multiplier=0.1,
            constant_offset=30, max_pixel_value=7, reduce_to_zero=True, replace_label=[4, 5],
        ),
    )  # fmt: skip
    rules = LayerRules(("BAND_1", "BAND_2"), because="as in the files that the model was trained on")
    assert chip_format_from_settings(settings) == ChipFormat(2, (3, 2, 1, 0), 0, 0.1, 30, 7, rules)
    assert label_format_from_settings(settings) == LabelFormat(13, 255, True, (4, 5))


@pytest.mark.parametrize(
    ("kind", "regression", "expected"),
    [
        (LabelKind.raster, False, LabelFormat(2, -1)),
        (LabelKind.chip, False, ChipClassFormat(LabelFormat(2, -1), ("dry", "wet"))),
        (LabelKind.chip_multi, False, ChipMultiLabelFormat(LabelFormat(2, -1), ("dry", "wet"))),
        (LabelKind.raster, True, TargetFormat(-1)),
        (LabelKind.chip, True, ChipValueFormat(TargetFormat(-1))),
    ],
)
def test_the_kind_of_label_decides_the_format(kind, regression, expected):
    model = ModelSettings(num_classes=2, class_names=None if regression else ["dry", "wet"])
    settings = Settings(is_reg_task=regression, model=model, dataloader=DataSettings(label_kind=kind))
    assert label_format_from_settings(settings) == expected


@pytest.mark.parametrize(
    ("data", "layers", "expected"),
    [
        (DataSettings(), range(6), "BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2 as date 1: layers [0, 1, 2, 3, 4, 5]"),
        (
            DataSettings(temporal_dim=2, mean=[0, 0], std=[1, 1], bands=[5, 4, 1, 0]), [5, 4, 1, 0],
            "BAND_1, BAND_2 as date 1: layers [5, 4]; date 2: layers [1, 0]",
        ),
        (
            DataSettings(temporal_dim=3, mean=[0], std=[1]), range(3),
            "BAND_1 as date 1: layers [0]; date 2: layers [1]; date 3: layers [2]",
        ),
    ],
)  # fmt: skip
def test_layout_is_described_in_words(data, layers, expected):  # pitfall 17
    assert describe_layout(Settings(dataloader=data), layers) == f"reading {expected} (counted from 0)"
