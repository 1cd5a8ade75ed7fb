"""What of a network is trained, and how fast each part of it."""

import re
from typing import Any

from torch import nn

from instageo.errors import ConfigError
from instageo.model.networks.segmenter import PrithviSegmenter

ENCODER = "prithvi_encoder."


def choose_trained(net: PrithviSegmenter, *, frozen: bool = False, last_blocks: int | None = None) -> None:
    """Let the whole network be trained, the head alone, or the head and the last blocks of the encoder.

    Frozen parts hide no coordinates and leave out no blocks in training: they work as in inference.

    Args:
        net: Changed in place.
        frozen: Train the head alone.
        last_blocks: Blocks to train, from the end, with the final norm; None for all of the encoder.

    Raises:
        ConfigError: More blocks than there are.
    """
    encoder = net.prithvi_encoder
    if last_blocks is not None and last_blocks > len(encoder.blocks):
        raise ConfigError(
            f"model.train_last_blocks={last_blocks}, but the encoder has {len(encoder.blocks)} blocks; "
            "expected at most that many"
        )
    if not frozen and last_blocks is None:
        return
    trained = len(encoder.blocks) if frozen else len(encoder.blocks) - (last_blocks or 0)
    encoder.requires_grad_(False)
    encoder.coords_dropout = 0.0
    for block in encoder.blocks[:trained]:
        block.set_drop_path(0.0)
    for block in encoder.blocks[trained:]:
        block.requires_grad_(True)
    encoder.norm.requires_grad_(not frozen)


def parameter_groups(
    net: nn.Module, *, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Trained parameters in the groups an optimiser takes.

    Vectors (biases, norms, the class token and scales) do not decay. With a `layer_decay` below 1 each block learns at
    that share of the rate of the next one, the head at the full rate (layer-wise decay, as in BEiT, Bao et al. 2022).

    Args:
        net: A network whose encoder is called `prithvi_encoder`.
        learning_rate: Of the head.
        weight_decay: Of matrices.
        layer_decay: Rate of a block over that of the next; 1 for the same everywhere.
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    depth = max((_block(name) for name, _ in net.named_parameters()), default=0)
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


def _block(name: str) -> int:
    """Number of the block a parameter belongs to, from 1; 0 if it belongs to none."""
    found = re.match(rf"{ENCODER}blocks\.(\d+)\.", name)
    return int(found[1]) + 1 if found else 0


def _level(name: str, depth: int) -> int:
    """0 for what comes before the blocks, 1 for the first of them, one more than the last for norm and head."""
    before = name.startswith(ENCODER) and not name.startswith(f"{ENCODER}norm")
    return _block(name) or (0 if before else depth + 1)
