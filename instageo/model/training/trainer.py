"""The Lightning trainer that settings describe; Lightning is imported when one is built, since that takes seconds."""

import logging
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import Block
from instageo.model.context import RunInfo, Sweep
from instageo.model.networks.device import pick_device
from instageo.model.settings import Settings
from instageo.model.tasks.base import Monitor

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from instageo.model.training.lr_finder import RangeTest


def check_devices(settings: Settings) -> None:
    """Refuse at once what this machine is known not to have.

    Raises:
        ConfigError: There is no such device, `strategy=fsdp` on the CPU, or more processes than CPU cores, which would
            bring the machine to a halt.
    """
    if pick_device(settings.accelerator) != "cpu":
        return
    if settings.strategy == "fsdp":
        raise ConfigError("strategy=fsdp needs GPUs and this run has none; use strategy=ddp, or auto")
    cores = os.cpu_count() or 1
    if str(settings.devices).isdigit() and int(settings.devices) > cores:
        raise ConfigError(f"devices={settings.devices} does not work on {cores} CPU cores; expected at most {cores}")


def check_sweep_direction(sweep: Sweep, monitor: Monitor) -> None:
    """Refuse a sweep that would look for the worst run.

    Args:
        sweep: The sweep that the run is part of.
        monitor: The score that a run returns.

    Raises:
        ConfigError: It is such a sweep.
    """
    right, better = ("maximize", "higher") if monitor.mode == "max" else ("minimize", "lower")
    if sweep.direction not in (None, right):
        raise ConfigError(
            f"hydra.sweeper.direction={sweep.direction} does not work; a run returns its best {monitor.name}, and "
            f"{better} is better: add hydra.sweeper.direction={right}"
        )


def build_trainer(settings: Settings, folder: Path, monitor: Monitor, notes: RunInfo) -> "pl.Trainer":
    """A trainer that leaves its files in a folder, chooses the best epoch by a score, and notes what it does.

    Raises:
        ConfigError: The devices, precision or strategy asked for do not work on this machine, or a tracker does not.
    """
    from instageo.model.tracking.loggers import build_loggers
    from instageo.model.tracking.throughput import Tally
    from instageo.model.training.callbacks import callbacks

    return _trainer(
        settings,
        folder,
        max_epochs=settings.train.num_epochs,
        callbacks=[*callbacks(folder, settings.train, monitor), Tally(notes)],
        logger=build_loggers(settings, folder),
    )


def range_test_trainer(settings: Settings, folder: Path, test: "RangeTest") -> "pl.Trainer":
    """A trainer that makes the steps of a range test, validates nothing and leaves no files.

    Raises:
        ConfigError: As `build_trainer`.
    """
    steps = settings.train.lr_find.steps
    return _trainer(
        settings,
        folder,
        max_epochs=steps,  # an epoch has a step or more
        max_steps=steps,
        callbacks=[test],
        logger=False,
        enable_checkpointing=False,
        limit_val_batches=0,
    )


def _trainer(settings: Settings, folder: Path, **options: Any) -> "pl.Trainer":
    import pytorch_lightning as pl
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    for name in ("pytorch_lightning", "lightning_fabric"):  # advice that tells a user nothing
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return pl.Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=_strategy(settings.strategy),
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.train.gradient_clip_val,
            accumulate_grad_batches=settings.train.accumulate_grad_batches,
            default_root_dir=folder,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **options,
        )
    except (MisconfigurationException, ValueError) as error:
        chosen = (
            f"accelerator={settings.accelerator} devices={settings.devices} strategy={settings.strategy} "
            f"precision={settings.precision}"
        )
        raise ConfigError(f"{chosen} does not work on this machine: {str(error).splitlines()[0]}") from error


def _strategy(name: str) -> Any:
    if name != "fsdp":
        return name
    from pytorch_lightning.strategies import FSDPStrategy

    return FSDPStrategy(auto_wrap_policy={Block}, state_dict_type="full", use_orig_params=True)


def best_score(trainer: "pl.Trainer") -> float:
    """The best epoch's score; NaN for a run that has none."""
    from pytorch_lightning.callbacks import ModelCheckpoint

    best = trainer.checkpoint_callback
    score = best.best_model_score if isinstance(best, ModelCheckpoint) else None
    return math.nan if score is None else float(score)
