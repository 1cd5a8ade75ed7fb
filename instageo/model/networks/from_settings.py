"""Build the network from settings."""

from instageo.errors import ConfigError
from instageo.model.chips.from_settings import label_format_from_settings
from instageo.model.heads.factory import HEADS
from instageo.model.losses.factory import output_channels
from instageo.model.losses.from_settings import loss_terms_from_settings
from instageo.model.networks.segmenter import PrithviSegmenter, build_network
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names


def network_from_settings(settings: Settings) -> PrithviSegmenter:
    """Build the network with random weights.

    Raises:
        ConfigError: A part does not exist, or the head does not fit the kind of labels.
    """
    data, model = settings.dataloader, settings.model
    net = build_network(
        model.model_name,
        num_classes=output_channels(loss_terms_from_settings(settings), model.num_classes),
        temporal_dim=data.temporal_dim,
        img_size=data.img_size,
        depth=model.depth,
        bands=band_names(settings),
        head=model.head,
        embed_dim=model.embed_dim,
        head_channels=model.head_channels,
    )
    image_level = label_format_from_settings(settings).image_level
    if net.image_level != image_level:
        fitting = [name for name, head in HEADS.items() if getattr(head, "image_level", False) == image_level]
        raise ConfigError(
            f"model.head={model.head} does not fit dataloader.label_kind={data.label_kind.value}; "
            f"expected {' or '.join(fitting)}"
        )
    encoder = net.prithvi_encoder
    encoder.coords_dropout, encoder.gradient_checkpointing = model.coords_dropout, model.gradient_checkpointing
    encoder.set_drop_path(model.drop_path)
    return net
