"""From typed settings to the parts they describe; below this file there are only plain values."""

from instageo.model.augmentations.own import check_own
from instageo.model.decoding import ChipFormat, LabelFormat
from instageo.model.layout import band_names
from instageo.model.network import PrithviSegmenter, build_network
from instageo.model.settings import Settings
from instageo.model.transforms import AUGMENTATIONS, AugmentationSpec


def build(settings: Settings) -> PrithviSegmenter:
    """The network with random weights."""
    data, model = settings.dataloader, settings.model
    net = build_network(
        model.model_name,
        num_classes=model.num_classes,
        temporal_dim=data.temporal_dim,
        img_size=data.img_size,
        depth=model.depth,
        bands=band_names(settings),
        head=model.head,
        width=model.width,
        head_width=model.head_width,
    )
    encoder = net.prithvi_encoder
    encoder.coords_dropout, encoder.gradient_checkpointing = model.coords_dropout, model.gradient_checkpointing
    encoder.set_drop_path(model.drop_path)
    return net


def chip_format(settings: Settings) -> ChipFormat:
    """How chips are read."""
    data = settings.dataloader
    bands = None if data.bands is None else tuple(data.bands)
    scale = data.constant_multiplier, data.constant_offset
    return ChipFormat(data.temporal_dim, bands, data.no_data_value, *scale, data.max_pixel_value)


def label_format(settings: Settings) -> LabelFormat:
    """How labels are read."""
    data, pair = settings.dataloader, settings.dataloader.replace_label
    replaced = None if pair is None else (pair[0], pair[1])
    return LabelFormat(settings.model.num_classes, settings.train.ignore_index, data.reduce_to_zero, replaced)


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
