"""Build the network from settings."""

from instageo.errors import ConfigError
from instageo.model.backbones.variants import CONV_VARIANTS
from instageo.model.chips.from_settings import label_format_from_settings
from instageo.model.heads.factory import HEADS
from instageo.model.losses.factory import output_channels
from instageo.model.losses.from_settings import loss_terms_from_settings
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.conv_segmenter import CONV_HEADS
from instageo.model.networks.segmenter import build_network
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names


def network_from_settings(settings: Settings) -> SegmentationNetwork:
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
        date_pooling=model.date_pooling,
    )
    image_level, is_conv = label_format_from_settings(settings).image_level, model.model_name in CONV_VARIANTS
    if net.image_level != image_level:
        heads = CONV_HEADS if is_conv else tuple(HEADS)
        fitting = [name for name in heads if getattr(HEADS.get(name), "image_level", False) == image_level]
        raise ConfigError(
            f"model.head={model.head} does not fit dataloader.label_kind={data.label_kind.value}; "
            f"expected {' or '.join(fitting)}"
        )
    if is_conv:
        _check_conv_settings(settings)
        return net
    encoder = net.encoder_for("model.drop_path")
    encoder.coords_dropout, encoder.gradient_checkpointing = model.coords_dropout, model.gradient_checkpointing
    encoder.set_drop_path(model.drop_path)
    return net


def _check_conv_settings(settings: Settings) -> None:
    """Reject settings that only Prithvi networks support, which have an encoder.

    Raises:
        ConfigError: One of them is set.
    """
    model = settings.model
    made = {
        "weights": model.weights is not None,
        "freeze_backbone": model.freeze_backbone,
        "train_last_blocks": model.train_last_blocks is not None,
        "lora_rank": model.lora_rank is not None,
    }
    for name in [name for name, is_made in made.items() if is_made]:
        advice = "; pass the run or checkpoint as checkpoint_path" if name == "weights" else ""
        raise ConfigError(
            f"model.{name} is for Prithvi networks, which have an encoder of transformer blocks; remove it for "
            f"{model.model_name}{advice}"
        )
