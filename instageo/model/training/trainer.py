"""The Lightning trainer that settings describe; Lightning is imported when one is built, since that takes seconds."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import Block
from instageo.model.notes import Notes
from instageo.model.predictor import pick_device
from instageo.model.settings import Settings
from instageo.model.tasks.base import Monitor

if TYPE_CHECKING:
    import pytorch_lightning as pl


def refuse_devices(settings: Settings) -> None:
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


def build_trainer(settings: Settings, folder: Path, monitor: Monitor, notes: Notes) -> "pl.Trainer":
    """A trainer that leaves its files in a folder, chooses the best epoch by a score, and notes what it does.

    Raises:
        ConfigError: The devices, precision or strategy asked for do not work on this machine, or a tracker does not.
    """
    import pytorch_lightning as pl
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    from instageo.model.training.loggers import loggers
    from instageo.model.training.tally import Tally
    from instageo.model.training.tracking import callbacks

    for name in ("pytorch_lightning", "lightning_fabric"):  # advice that tells a user nothing
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return pl.Trainer(
            max_epochs=settings.train.num_epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=_strategy(settings.strategy),
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.train.gradient_clip,
            accumulate_grad_batches=settings.train.accumulate,
            callbacks=[*callbacks(folder, settings.train, monitor), Tally(notes)],
            logger=loggers(settings, folder),
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


def _strategy(name: str) -> Any:
    if name != "fsdp":
        return name
    from pytorch_lightning.strategies import FSDPStrategy

    return FSDPStrategy(auto_wrap_policy={Block}, state_dict_type="full", use_orig_params=True)
