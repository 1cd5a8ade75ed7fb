"""From settings to an optimiser and a trainer; Lightning is imported when one is built, since that takes seconds."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import ConfigError
from instageo.model.context import RunInfo
from instageo.model.networks.device import pick_device
from instageo.model.settings import Scheduler, Settings
from instageo.model.tasks.base import Monitor
from instageo.model.training.trainer import build_trainer
from instageo.wording import counted

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from instageo.model.training.lr_finder import RangeTest
    from instageo.model.training.optimizer import OptimizerConfig


def check_devices(settings: Settings) -> None:
    """Check what can be known of the devices before anything is read.

    Raises:
        ConfigError: The device does not exist, `strategy=fsdp` was requested on the CPU, or more processes than CPU
            cores, which would bring the machine to a halt.
    """
    if pick_device(settings.accelerator) != "cpu":
        return
    if settings.strategy == "fsdp":
        raise ConfigError("strategy=fsdp needs GPUs and this run has none; use strategy=ddp, or auto")
    cores = os.cpu_count() or 1
    if str(settings.devices).isdigit() and int(settings.devices) > cores:
        raise ConfigError(
            f"devices={settings.devices} does not work on {counted(cores, 'CPU core')}; expected at most {cores}"
        )


def optimizer_from_settings(settings: Settings) -> "OptimizerConfig":
    """Return the optimiser and learning-rate schedule that settings describe."""
    from instageo.model.training.optimizer import OptimizerConfig
    from instageo.model.training.schedules import Schedule

    train, clip_range = settings.train, settings.model.weight_clip_range
    return OptimizerConfig(
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        layer_decay=train.layer_decay,
        schedule=Schedule(train.scheduler.value, train.warmup_epochs, train.plateau_factor, train.plateau_patience),
        seed=settings.seed,
        fused=can_fuse(settings),
        clip_range=(clip_range[0], clip_range[1]) if clip_range else None,
    )


def can_fuse(settings: Settings) -> bool:
    """Return whether the fused AdamW may be used.

    It undoes a loss scale inside its step, after gradients are clipped, so Lightning refuses the combination of both in
    mixed precision, also in `bf16-mixed`, which has no such scale; and it is not used on the flattened parameters of
    `fsdp`.
    """
    clipped_in_mixed = settings.precision != "32-true" and settings.train.gradient_clip_val is not None
    return not clipped_in_mixed and settings.strategy != "fsdp"


def trainer_from_settings(settings: Settings, folder: Path, monitor: Monitor, info: RunInfo) -> "pl.Trainer":
    """Build a trainer that writes its files to a folder and chooses the best epoch by a score.

    Args:
        settings: Resolved settings.
        folder: Where checkpoints, history and logs go.
        monitor: The score that chooses the best epoch.
        info: Takes the throughput of the run.

    Raises:
        ConfigError: The requested devices, precision or strategy do not work on this machine, or a tracker does not.
    """
    from instageo.model.tracking.loggers import build_loggers
    from instageo.model.tracking.throughput import ThroughputCallback
    from instageo.model.training.callbacks.factory import build_callbacks
    from instageo.model.training.callbacks.threads import ThreadTuner

    train = settings.train
    callbacks = build_callbacks(
        folder,
        monitor,
        ema_decay=train.ema_decay,
        reduce_on_plateau=train.scheduler is Scheduler.plateau,
        early_stopping_patience=train.early_stopping_patience,
    )
    return build_trainer(
        folder,
        **_shared_options(settings),
        max_epochs=train.num_epochs,
        callbacks=[*([] if settings.compile else [ThreadTuner()]), *callbacks, ThroughputCallback(info)],
        logger=build_loggers(settings, folder),
    )


def range_test_trainer_from_settings(settings: Settings, folder: Path, test: "RangeTest") -> "pl.Trainer":
    """Build a trainer that runs the steps of a range test, validates nothing and writes no files.

    Raises:
        ConfigError: As `trainer_from_settings`.
    """
    num_steps = settings.train.lr_find.steps
    return build_trainer(
        folder,
        **_shared_options(settings),
        max_epochs=num_steps,  # an epoch has at least one step
        max_steps=num_steps,
        callbacks=[test],
        logger=False,
        enable_checkpointing=False,
        limit_val_batches=0,
        enable_progress_bar=False,
    )


def _shared_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every trainer."""
    return {
        "accelerator": settings.accelerator,
        "devices": settings.devices,
        "strategy": settings.strategy,
        "precision": settings.precision,
        "gradient_clip_val": settings.train.gradient_clip_val,
        "accumulate_grad_batches": settings.train.accumulate_grad_batches,
    }
