"""`python -m instageo.model.run key=value …`: the one entry to training, scoring, statistics and inference."""

import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException

from instageo.errors import ConfigError, InstaGeoError
from instageo.model.config import (
    CONFIGS,
    Composed,
    OverrideError,
    describe,
    explicit_keys,
    known,
    settings_from,
    unknown,
)
from instageo.model.settings import Mode, Run, Settings

log = logging.getLogger("instageo")

COMMANDS = {
    Mode.train: ("instageo.model.commands.train", "train"),
    Mode.eval: ("instageo.model.commands.evaluate", "evaluate"),
    Mode.chip_inference: ("instageo.model.commands.chip_inference", "chip_inference"),
    Mode.stats: ("instageo.model.commands.stats", "stats"),
}
"""Module and function of each mode; imported when asked for, since PyTorch takes seconds."""

FAILED = 1
"""Exit status of a run that ended with an error."""


def dispatch(config: Composed) -> None:
    """Check the composed configuration and run its mode."""
    settings = settings_from(config)
    composed = HydraConfig.get()
    explicit = explicit_keys(settings, composed.overrides.task)
    module, function = COMMANDS[settings.mode]
    command = getattr(importlib.import_module(module), function)
    _quieten()
    command(Run(settings, Path(composed.runtime.output_dir), explicit))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Overrides such as `train.num_epochs=3`, and Hydra's own flags; None for those of the process.
            `--debug` shows tracebacks.

    Returns:
        Exit status: 0, or 1 after an error, which is told in one sentence on stderr.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("HYDRA_FULL_ERROR") == "1"
    given = [argument for argument in given if argument != "--debug"]
    try:
        _refuse_unknown(given)
        _run(given)
    except (InstaGeoError, HydraException, OverrideError) as error:
        if debug:
            raise
        sentence = str(error).splitlines()[0] if isinstance(error, InstaGeoError) else _sentence(error)
        sys.stderr.write(f"error: {sentence}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; training goes on from its last epoch with train.resume=true\n")
        return 130
    return 0


def _run(arguments: Sequence[str]) -> None:
    """Hand over to Hydra, which takes its arguments from sys.argv, and let errors through as they are."""
    ConfigStore.instance().store(name="settings", node=Settings)
    before, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [before[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")(dispatch)()
    finally:
        sys.argv = before
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _refuse_unknown(arguments: Sequence[str]) -> None:
    for argument in arguments:
        match = re.match(r"[+~]{0,2}([\w.]+)=", argument)
        if match and not match[1].startswith("hydra") and not known(match[1]):
            raise ConfigError(unknown(match[1]))


def _sentence(error: Exception) -> str:
    """What Hydra or OmegaConf says in several lines, in one."""
    for told in (error, error.__cause__):
        if told is not None and (isinstance(told, OverrideError) or "full_key:" in str(told)):
            return describe(told)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])


def _quieten() -> None:
    """Silence notices that tell a user nothing: Lightning's advice and files without georeference."""
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning|torchmetrics)")
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")


if __name__ == "__main__":
    sys.exit(main())
