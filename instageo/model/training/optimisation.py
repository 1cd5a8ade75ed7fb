"""How a network's weights change: optimiser, and the course of its learning rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from instageo.model.finetuning import parameter_groups


@dataclass(frozen=True)
class Optimisation:
    """AdamW and the course of its learning rate.

    Attributes:
        learning_rate: Highest learning rate.
        weight_decay: Applied to weights, not to biases and norms.
        layer_decay: Learning rate of a block over that of the next.
        cosine: Whether the rate falls to 0 along a cosine; otherwise it stays.
        warmup_epochs: Epochs over which the rate rises from 0.
        seed: Every epoch's draws (dropout, augmentation) start from it and the epoch's number.
    """

    learning_rate: float
    weight_decay: float
    layer_decay: float
    cosine: bool
    warmup_epochs: float
    seed: int

    def factor(self, epoch: float, epochs: int) -> float:
        """Share of the learning rate after `epoch` of `epochs` epochs."""
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        if not self.cosine:
            return 1.0
        return 0.5 * (
            1 + math.cos(math.pi * min(1.0, (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9)))
        )


def build_optimiser(
    net: nn.Module, course: Optimisation, steps: int, epochs: int, besides: Sequence[nn.Parameter] = ()
) -> dict[str, Any]:
    """The optimiser of a network's trained parameters and its schedule, as Lightning takes them.

    Args:
        net: The network.
        course: Rates and decay.
        steps: Optimiser steps of an epoch.
        epochs: Of the run.
        besides: Further parameters to train, as fast as the head.
    """
    groups = parameter_groups(
        net, learning_rate=course.learning_rate, weight_decay=course.weight_decay, layer_decay=course.layer_decay
    )
    if besides:
        groups.append({"params": list(besides), "lr": course.learning_rate, "weight_decay": course.weight_decay})
    optimizer = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: course.factor((step + 0.5) / steps, epochs))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
