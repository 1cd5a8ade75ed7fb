"""Build chip and label formats from settings."""

from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.chip_labels import AnyLabelFormat, ChipClassFormat, ChipMultiLabelFormat, ChipValueFormat
from instageo.model.chips.label_layers import LabelLayers
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.settings import LabelKind, Settings
from instageo.model.settings.data import parse_color
from instageo.model.settings.derived import band_names
from instageo.sensors import find_sensor
from instageo.wording import counted


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
        rules=LayerRules(
            band_names=band_names(settings),
            num_layers=_expected_layers(settings),
            because=_why_that_many(settings),
            sensor=data.sensor,
            by_name=data.bands_by_name,
            bands_given=data.bands_given,
            scale_tags=data.scale_tags.value,
            tag_factor=data.tag_factor,
        ),
        radar_unit=data.radar_unit,
    )


def _expected_layers(settings: Settings) -> int | None:
    """Return how many layers a file must have; None for any number."""
    data = settings.dataloader
    if data.bands is None and data.num_layers is None and not data.bands_by_name:
        return data.temporal_dim * len(band_names(settings))
    return None if data.bands_given else data.num_layers


def _why_that_many(settings: Settings) -> str:
    """Return why a file is expected to have `dataloader.num_layers` layers."""
    data = settings.dataloader
    dates = counted(data.temporal_dim, "date")
    if data.sensor is not None and data.bands is not None:
        return f"{dates} x {counted(len(find_sensor(data.sensor).bands), 'band')} of dataloader.sensor={data.sensor}"
    if data.bands is None:
        return f"{dates} x {counted(len(band_names(settings)), 'band')}"
    return "as in the files that the model was trained on"


def label_format_from_settings(settings: Settings) -> AnyLabelFormat:
    """Build the format that labels are read with."""
    data, ignore_index, kind = settings.dataloader, settings.train.ignore_index, settings.dataloader.label_kind
    layers = LabelLayers(
        data.label_layer, tuple(parse_color(color) for color in data.label_colors or ()), data.scale_tags.value
    )
    replace_label = None if data.replace_label is None else (data.replace_label[0], data.replace_label[1])
    if settings.is_reg_task:
        lower_bound = -1.0 if settings.model.use_log_scale else None
        target_format = TargetFormat(ignore_index, lower_bound, replace_label, layers)
        return target_format if kind is LabelKind.raster else ChipValueFormat(target_format)
    label_format = LabelFormat(settings.model.num_classes, ignore_index, data.reduce_to_zero, replace_label, layers)
    if kind is LabelKind.raster:
        return label_format
    return CHIP_LABEL_FORMATS[kind](label_format, tuple(settings.model.class_names or ()))


CHIP_LABEL_FORMATS = {LabelKind.chip: ChipClassFormat, LabelKind.chip_multi: ChipMultiLabelFormat}
"""Formats of image-level classes, by `dataloader.label_kind`."""
