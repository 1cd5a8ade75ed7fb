"""Which parts of a network are trained, and with which learning rates."""

import re
from typing import Any

from torch import nn

from instageo.errors import ConfigError
from instageo.model.networks.segmenter import PrithviSegmenter

ENCODER = "prithvi_encoder."


def freeze_parameters(net: PrithviSegmenter, *, freeze_encoder: bool = False, last_blocks: int | None = None) -> None:
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
    encoder = net.prithvi_encoder
    if last_blocks is not None and last_blocks > len(encoder.blocks):
        raise ConfigError(
            f"model.train_last_blocks={last_blocks}, but the encoder has {len(encoder.blocks)} blocks; "
            "expected at most that many"
        )
    if not freeze_encoder and last_blocks is None:
        return
    first_trained = len(encoder.blocks) if freeze_encoder else len(encoder.blocks) - (last_blocks or 0)
    encoder.requires_grad_(False)
    encoder.coords_dropout = 0.0
    for block in encoder.blocks[:first_trained]:
        block.set_drop_path(0.0)
    for block in encoder.blocks[first_trained:]:
        block.requires_grad_(True)
    encoder.norm.requires_grad_(not freeze_encoder)


def build_parameter_groups(
    net: nn.Module, *, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Sort the trained parameters into the groups that an optimizer takes.

    Vectors (biases, norms, the class token and scales) have no weight decay. With a `layer_decay` below 1 the learning
    rate of each block is that share of the next one's, and the head has the full rate (layer-wise decay as in BEiT, Bao
    et al. 2022).

    Args:
        net: Network whose encoder is called `prithvi_encoder`.
        learning_rate: Learning rate of the head.
        weight_decay: Weight decay of matrices.
        layer_decay: Ratio of a block's learning rate to the next one's; 1 for the same rate everywhere.
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    depth = max((_block_number(name) for name, _ in net.named_parameters()), default=0)
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        level = _level(name, depth) if layer_decay < 1 else depth + 1
        decays = parameter.ndim > 1 and not name.endswith("cls_token")
        group = groups.setdefault(
            (level, decays),
            {
                "params": [],
                "lr": learning_rate * layer_decay ** (depth + 1 - level),
                "weight_decay": weight_decay if decays else 0.0,
            },
        )
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups, reverse=True)]


def _block_number(name: str) -> int:
    """Return the number of the block that a parameter belongs to, from 1; 0 outside the blocks."""
    match = re.match(rf"{ENCODER}blocks\.(\d+)\.", name)
    return int(match[1]) + 1 if match else 0


def _level(name: str, depth: int) -> int:
    """Return 0 for parameters before the blocks, 1 for the first block, and depth + 1 for the norm and the head."""
    is_embedding = name.startswith(ENCODER) and not name.startswith(f"{ENCODER}norm")
    return _block_number(name) or (0 if is_embedding else depth + 1)
