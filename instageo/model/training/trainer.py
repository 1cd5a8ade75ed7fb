"""The Lightning trainer; Lightning is imported when one is built, since that takes seconds."""

import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import Block
from instageo.model.context import Sweep
from instageo.model.tasks.base import Monitor

if TYPE_CHECKING:
    import pytorch_lightning as pl


def check_sweep_direction(sweep: Sweep, monitor: Monitor) -> None:
    """Check that a sweep searches for the best run, not for the worst.

    Args:
        sweep: The sweep that the run is part of.
        monitor: The score that a run returns.

    Raises:
        ConfigError: It searches for the worst.
    """
    right, better = ("maximize", "higher") if monitor.mode == "max" else ("minimize", "lower")
    if sweep.direction not in (None, right):
        raise ConfigError(
            f"hydra.sweeper.direction={sweep.direction} does not work; a run returns its best {monitor.name}, and "
            f"{better} is better: add hydra.sweeper.direction={right}"
        )


def build_trainer(
    folder: Path, *, accelerator: str, devices: int | str, strategy: str, precision: str, **options: Any
) -> "pl.Trainer":
    """Build a Lightning trainer with the options of this program.

    Args:
        folder: Where Lightning writes by default.
        accelerator: As Lightning takes it.
        devices: As Lightning takes it.
        strategy: As Lightning takes it; `fsdp` shards the blocks of the encoder.
        precision: As Lightning takes it.
        options: Further options of `pytorch_lightning.Trainer`.

    Raises:
        ConfigError: The requested devices, precision or strategy do not work on this machine.
    """
    import pytorch_lightning as pl
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    from instageo.model.training.checkpoint_io import AtomicCheckpointIO

    for name in ("pytorch_lightning", "lightning_fabric"):  # their advice is of no use to a user
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=_fsdp_strategy() if strategy == "fsdp" else strategy,
            precision=precision,  # type: ignore[arg-type]
            default_root_dir=folder,
            plugins=[AtomicCheckpointIO()],
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **{"enable_progress_bar": sys.stderr.isatty(), **options},
        )
    except (MisconfigurationException, ValueError) as error:
        requested = f"accelerator={accelerator} devices={devices} strategy={strategy} precision={precision}"
        raise ConfigError(f"{requested} does not work on this machine: {str(error).splitlines()[0]}") from error
    # On SIGTERM, Lightning broadcasts a tensor in the middle of whatever the processes exchange, and may wait for ever;
    # `interrupt_on_sigterm` ends the first process instead, which ends the others.
    trainer._signal_connector._sigterm_notifier_fn = _ignore  # type: ignore[assignment]
    return trainer


def _ignore(*_: object) -> None:
    """Do nothing on a signal."""


def _fsdp_strategy() -> Any:
    from pytorch_lightning.strategies import FSDPStrategy

    return FSDPStrategy(auto_wrap_policy={Block}, state_dict_type="full", use_orig_params=True)


def best_score(trainer: "pl.Trainer") -> float:
    """Return the best epoch's score; NaN for a run without one."""
    from pytorch_lightning.callbacks import ModelCheckpoint

    best = trainer.checkpoint_callback
    score = best.best_model_score if isinstance(best, ModelCheckpoint) else None
    return math.nan if score is None else float(score)
