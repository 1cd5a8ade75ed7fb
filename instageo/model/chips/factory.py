"""Build chip and label formats from settings."""

from instageo.model.chips.chip_labels import ChipClass, ChipClasses, ChipValue, Labels
from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.settings import LabelKind, Settings


def chip_format_from_settings(settings: Settings) -> ChipFormat:
    """How chips are read."""
    data = settings.dataloader
    bands = None if data.bands is None else tuple(data.bands)
    scale = data.constant_multiplier, data.constant_offset
    return ChipFormat(data.temporal_dim, bands, data.no_data_value, *scale, data.max_pixel_value)


def label_format_from_settings(settings: Settings) -> Labels:
    """How labels are read."""
    data, ignored, kind = settings.dataloader, settings.train.ignore_index, settings.dataloader.label_kind
    replaced = None if data.replace_label is None else (data.replace_label[0], data.replace_label[1])
    if settings.is_reg_task:
        values = TargetFormat(ignored, -1.0 if settings.model.use_log_scale else None, replaced)
        return values if kind is LabelKind.raster else ChipValue(values)
    classes = LabelFormat(settings.model.num_classes, ignored, data.reduce_to_zero, replaced)
    if kind is LabelKind.raster:
        return classes
    return CHIP_LABELS[kind](classes, tuple(settings.model.class_names or ()))


CHIP_LABELS = {LabelKind.chip: ChipClass, LabelKind.chip_multi: ChipClasses}
"""Labels of whole chips, by `dataloader.label_kind`."""
