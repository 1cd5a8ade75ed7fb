"""Group parameters by learning rate and weight decay: layer-wise decay, and no decay of vectors."""

import re
from typing import Any

from torch import nn

ENCODER = "prithvi_encoder."


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
