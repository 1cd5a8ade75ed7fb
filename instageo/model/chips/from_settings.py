"""Build chip and label formats from settings."""

from instageo.model.chips.chip_labels import AnyLabelFormat, ChipClassFormat, ChipMultiLabelFormat, ChipValueFormat
from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.settings import LabelKind, Settings


def chip_format_from_settings(settings: Settings) -> ChipFormat:
    """Build the format that chips are read with."""
    data = settings.dataloader
    return ChipFormat(
        temporal_dim=data.temporal_dim,
        bands=None if data.bands is None else tuple(data.bands),
        no_data_value=data.no_data_value,
        multiplier=data.constant_multiplier,
        offset=data.constant_offset,
        max_value=data.max_pixel_value,
    )


def label_format_from_settings(settings: Settings) -> AnyLabelFormat:
    """Build the format that labels are read with."""
    data, ignore_index, kind = settings.dataloader, settings.train.ignore_index, settings.dataloader.label_kind
    replace_label = None if data.replace_label is None else (data.replace_label[0], data.replace_label[1])
    if settings.is_reg_task:
        target_format = TargetFormat(ignore_index, -1.0 if settings.model.use_log_scale else None, replace_label)
        return target_format if kind is LabelKind.raster else ChipValueFormat(target_format)
    label_format = LabelFormat(settings.model.num_classes, ignore_index, data.reduce_to_zero, replace_label)
    if kind is LabelKind.raster:
        return label_format
    return CHIP_LABEL_FORMATS[kind](label_format, tuple(settings.model.class_names or ()))


CHIP_LABEL_FORMATS = {LabelKind.chip: ChipClassFormat, LabelKind.chip_multi: ChipMultiLabelFormat}
"""Formats of image-level classes, by `dataloader.label_kind`."""
