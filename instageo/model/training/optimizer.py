"""AdamW, its learning-rate schedule, and the range that weights are clipped to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from instageo.model.training.parameter_groups import build_parameter_groups
from instageo.model.training.schedules import Schedule, WarmupLR

FUSED_DEVICES = ("cpu", "cuda")
"""Devices whose fused AdamW is used: one kernel for a whole group of parameters."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and its learning-rate schedule.

    Attributes:
        learning_rate: Highest learning rate.
        weight_decay: Applied to weights, not to biases and norms.
        layer_decay: Learning rate of a block divided by that of the next.
        schedule: Learning-rate schedule.
        seed: Random numbers of every epoch (dropout, augmentation) start from it and the epoch's number.
        fused: Use the fused AdamW where the parameters' device has one.
        clip_range: Trained parameters are clamped to it after each step; None for no clamping.
    """

    learning_rate: float
    weight_decay: float
    layer_decay: float
    schedule: Schedule
    seed: int
    fused: bool = True
    clip_range: tuple[float, float] | None = None


def build_optimizer(
    net: nn.Module,
    config: OptimizerConfig,
    steps_per_epoch: int,
    num_epochs: int,
    extra_parameters: Sequence[nn.Parameter] = (),
) -> dict[str, Any]:
    """Build the optimiser of a network's trained parameters and its schedule, in the form that Lightning takes.

    Args:
        net: The network, on its device.
        config: Rates, decay and range.
        steps_per_epoch: Optimiser steps of an epoch.
        num_epochs: Epochs of the run.
        extra_parameters: Further parameters to train, at the learning rate of the head.
    """
    groups = build_parameter_groups(
        net, learning_rate=config.learning_rate, weight_decay=config.weight_decay, layer_decay=config.layer_decay
    )
    trained = [parameter for group in groups for parameter in group["params"]]
    if extra_parameters:
        groups.append(
            {"params": list(extra_parameters), "lr": config.learning_rate, "weight_decay": config.weight_decay}
        )
    fused = config.fused and all(parameter.device.type in FUSED_DEVICES for parameter in (*trained, *extra_parameters))
    optimizer = torch.optim.AdamW(groups, fused=fused or None)
    if config.clip_range:
        clip_after_step(optimizer, trained, config.clip_range)
    schedule = WarmupLR(optimizer, config.schedule, steps_per_epoch, num_epochs)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def clip_after_step(
    optimizer: torch.optim.Optimizer, parameters: Iterable[Tensor], clip_range: tuple[float, float]
) -> None:
    """Clamp parameters to a range after each step of an optimiser, never between forward and backward pass."""
    low, high = clip_range
    clipped = list(parameters)

    @torch.no_grad()
    def clamp(*_: object) -> None:
        for parameter in clipped:
            parameter.clamp_(low, high)

    optimizer.register_step_post_hook(clamp)
