"""From typed settings to the parts they describe; below this file there are only plain values."""

import torch
from torch import nn

from instageo.errors import ConfigError
from instageo.model.augmentations.own import check_own
from instageo.model.decoding import ChipFormat
from instageo.model.labels import ChipClass, ChipClasses, ChipValue, LabelFormat, Labels, TargetFormat
from instageo.model.layout import band_names
from instageo.model.losses.choose import LossContext, LossKind, LossTerm, build_loss, output_channels, parse_terms
from instageo.model.network import HEADS, PrithviSegmenter, build_network
from instageo.model.settings import LabelKind, Settings
from instageo.model.transforms import AUGMENTATIONS, AugmentationSpec


def build(settings: Settings) -> PrithviSegmenter:
    """The network with random weights."""
    data, model = settings.dataloader, settings.model
    net = build_network(
        model.model_name,
        num_classes=output_channels(loss_terms(settings), model.num_classes),
        temporal_dim=data.temporal_dim,
        img_size=data.img_size,
        depth=model.depth,
        bands=band_names(settings),
        head=model.head,
        width=model.width,
        head_width=model.head_width,
    )
    per_chip = label_format(settings).per_chip
    if net.per_chip != per_chip:
        fitting = [name for name, head in HEADS.items() if getattr(head, "per_chip", False) == per_chip]
        raise ConfigError(
            f"model.head={model.head} does not fit dataloader.label_kind={data.label_kind.value}; "
            f"expected {' or '.join(fitting)}"
        )
    encoder = net.prithvi_encoder
    encoder.coords_dropout, encoder.gradient_checkpointing = model.coords_dropout, model.gradient_checkpointing
    encoder.set_drop_path(model.drop_path)
    return net


def loss_kind(settings: Settings) -> LossKind:
    """What the loss compares."""
    if settings.is_reg_task:
        return LossKind.values
    return LossKind.multilabel if settings.dataloader.label_kind is LabelKind.chip_multi else LossKind.classes


DEFAULT_LOSS = {
    LossKind.classes: "cross_entropy", LossKind.multilabel: "binary_cross_entropy", LossKind.values: "mse",
}  # fmt: skip
"""The loss of each kind, where none is named."""


def loss_terms(settings: Settings) -> tuple[LossTerm, ...]:
    """The terms of the loss, with their parameters.

    Raises:
        ConfigError: There is no such loss.
    """
    return parse_terms(settings.train.loss, DEFAULT_LOSS[loss_kind(settings)])


def loss(settings: Settings) -> nn.Module:
    """The loss, in the network's own scale; class weights that are still to be computed count as 1.

    Raises:
        ConfigError: It is unknown, for other tasks, or does not work with its parameters.
    """
    course = settings.train
    weights = torch.tensor(course.class_weights) if isinstance(course.class_weights, list) else None
    context = LossContext(
        loss_kind(settings), settings.model.num_classes, weights, course.ignore_index, course.label_smoothing
    )
    return build_loss(loss_terms(settings), context)


def chip_format(settings: Settings) -> ChipFormat:
    """How chips are read."""
    data = settings.dataloader
    bands = None if data.bands is None else tuple(data.bands)
    scale = data.constant_multiplier, data.constant_offset
    return ChipFormat(data.temporal_dim, bands, data.no_data_value, *scale, data.max_pixel_value)


def label_format(settings: Settings) -> Labels:
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


def augmentations(settings: Settings) -> tuple[AugmentationSpec, ...]:
    """The augmentations that are switched on, in their order, the user's own last.

    Raises:
        ConfigError: One of the user's own cannot be found, or called with its parameters.
    """
    group = settings.dataloader.augmentations
    chosen = {name: getattr(group, name) for name in AUGMENTATIONS}
    shipped = [
        AugmentationSpec(name, spec.p, {key: value for key, value in vars(spec).items() if key not in ("use", "p")})
        for name, spec in chosen.items()
        if spec.use
    ]
    own = [AugmentationSpec(spec.function, spec.p, spec.parameters) for spec in group.own if spec.use]
    for spec in own:
        check_own(spec.name, spec.parameters)
    return *shipped, *own
