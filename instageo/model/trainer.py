"""The Lightning trainer that settings describe."""

import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import Block
from instageo.model.predictor import pick_device
from instageo.model.settings import Settings
from instageo.model.tracking import callbacks, loggers


def build_trainer(settings: Settings, folder: Path) -> pl.Trainer:
    """A trainer that leaves its files in a folder.

    Raises:
        ConfigError: The devices, precision or strategy asked for do not work on this machine.
    """
    on_cpu = pick_device(settings.accelerator) == "cpu"
    _refuse_crowding(settings, on_cpu=on_cpu)
    try:
        return pl.Trainer(
            max_epochs=settings.train.num_epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=_strategy(settings.strategy, on_cpu=on_cpu),
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.train.gradient_clip,
            callbacks=callbacks(folder, settings.train.early_stopping),
            logger=loggers(folder),
            default_root_dir=folder,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        chosen = (
            f"accelerator={settings.accelerator} devices={settings.devices} strategy={settings.strategy} "
            f"precision={settings.precision}"
        )
        raise ConfigError(f"{chosen} does not work on this machine: {str(error).splitlines()[0]}") from error


def _strategy(name: str, *, on_cpu: bool) -> Any:
    if name != "fsdp":
        return name
    if on_cpu:
        raise ConfigError("strategy=fsdp needs GPUs and this run has none; use strategy=ddp, or auto")
    from pytorch_lightning.strategies import FSDPStrategy

    return FSDPStrategy(auto_wrap_policy={Block}, state_dict_type="full", use_orig_params=True)


def _refuse_crowding(settings: Settings, *, on_cpu: bool) -> None:
    """On the CPU, every device is one more process: more of them than cores bring the machine to a halt."""
    cores = os.cpu_count() or 1
    if on_cpu and str(settings.devices).isdigit() and int(settings.devices) > cores:
        raise ConfigError(f"devices={settings.devices} does not work on {cores} CPU cores; expected at most {cores}")
