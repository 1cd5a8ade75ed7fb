"""How a network's weights change: AdamW, the course of its learning rate, and the range weights are kept in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from instageo.model.networks.finetuning import parameter_groups
from instageo.model.settings import Settings
from instageo.model.training.schedules import Schedule, WarmupLR

FUSED = ("cpu", "cuda")
"""Devices whose fused AdamW is used: one kernel for a whole group of parameters."""


@dataclass(frozen=True)
class Optimisation:
    """AdamW and the course of its learning rate.

    Attributes:
        learning_rate: Highest learning rate.
        weight_decay: Applied to weights, not to biases and norms.
        layer_decay: Learning rate of a block over that of the next.
        schedule: Course of the rate.
        seed: Every epoch's draws (dropout, augmentation) start from it and the epoch's number.
        fused: Use the fused AdamW where the parameters' device has one.
        clip_range: Trained parameters are clamped to it after each step; None to leave them.
    """

    learning_rate: float
    weight_decay: float
    layer_decay: float
    schedule: Schedule
    seed: int
    fused: bool = True
    clip_range: tuple[float, float] | None = None


def optimizer_from_settings(settings: Settings) -> Optimisation:
    """What settings say of optimisation."""
    course, span = settings.train, settings.model.weight_clip_range
    return Optimisation(
        learning_rate=course.learning_rate,
        weight_decay=course.weight_decay,
        layer_decay=course.layer_decay,
        schedule=Schedule(course.scheduler.value, course.warmup_epochs, course.plateau_factor, course.plateau_patience),
        seed=settings.seed,
        fused=can_fuse(settings),
        clip_range=(span[0], span[1]) if span else None,
    )


def can_fuse(settings: Settings) -> bool:
    """Whether the fused AdamW may be used.

    It undoes a loss scale inside its step, after gradients are clipped, so that Lightning refuses the two together in
    mixed precision, also in `bf16-mixed`, which has no such scale; and it is not used on the flattened parameters of
    `fsdp`.
    """
    refused = settings.precision != "32-true" and settings.train.gradient_clip_val is not None
    return not refused and settings.strategy != "fsdp"


def build_optimiser(
    net: nn.Module, course: Optimisation, steps: int, epochs: int, besides: Sequence[nn.Parameter] = ()
) -> dict[str, Any]:
    """The optimiser of a network's trained parameters and its schedule, as Lightning takes them.

    Args:
        net: The network, on its device.
        course: Rates, decay and range.
        steps: Optimiser steps of an epoch.
        epochs: Of the run.
        besides: Further parameters to train, as fast as the head.
    """
    groups = parameter_groups(
        net, learning_rate=course.learning_rate, weight_decay=course.weight_decay, layer_decay=course.layer_decay
    )
    kept = [parameter for group in groups for parameter in group["params"]]
    if besides:
        groups.append({"params": list(besides), "lr": course.learning_rate, "weight_decay": course.weight_decay})
    fused = course.fused and all(parameter.device.type in FUSED for parameter in (*kept, *besides))
    optimizer = torch.optim.AdamW(groups, fused=fused or None)
    if course.clip_range:
        keep_in_range(optimizer, kept, course.clip_range)
    schedule = WarmupLR(optimizer, course.schedule, steps, epochs)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def keep_in_range(optimizer: torch.optim.Optimizer, parameters: Iterable[Tensor], span: tuple[float, float]) -> None:
    """Clamp parameters to `span` after each step of an optimiser: never between forward and backward pass."""
    low, high = span
    kept = list(parameters)

    @torch.no_grad()
    def clamp(*_: object) -> None:
        for parameter in kept:
            parameter.clamp_(low, high)

    optimizer.register_step_post_hook(clamp)
