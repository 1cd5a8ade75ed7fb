"""Freeze the encoder of a network, or all but its last blocks."""

from instageo.errors import ConfigError
from instageo.model.networks.base import SegmentationNetwork
from instageo.wording import counted


def freeze_parameters(
    net: SegmentationNetwork, *, freeze_encoder: bool = False, last_blocks: int | None = None
) -> None:
    """Freeze nothing, the encoder, or the encoder but for its last blocks.

    Frozen parts hide no coordinates and skip no blocks in training: they work as in inference.

    Args:
        net: Changed in place.
        freeze_encoder: Train the head only.
        last_blocks: Number of blocks to train, counted from the end, together with the final norm; None for the whole
            encoder.

    Raises:
        ConfigError: The encoder has fewer blocks.
    """
    if not freeze_encoder and last_blocks is None:
        return
    encoder = net.encoder_for("model.freeze_backbone" if freeze_encoder else "model.train_last_blocks")
    if last_blocks is not None and last_blocks > len(encoder.blocks):
        raise ConfigError(
            f"model.train_last_blocks={last_blocks}, but the encoder has {counted(len(encoder.blocks), 'block')}; "
            "expected at most that many"
        )
    first_trained = len(encoder.blocks) if freeze_encoder else len(encoder.blocks) - (last_blocks or 0)
    encoder.requires_grad_(False)
    encoder.coords_dropout = 0.0
    for block in encoder.blocks[:first_trained]:
        block.set_drop_path(0.0)
    for block in encoder.blocks[first_trained:]:
        block.requires_grad_(True)
    encoder.norm.requires_grad_(not freeze_encoder)
