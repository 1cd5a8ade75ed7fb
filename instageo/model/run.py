"""Run a mode: `python -m instageo.model.run key=value …`, the entry to training, scoring, statistics and inference."""

import importlib
import logging
import math
import os
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode

from instageo.errors import ConfigError, InstaGeoError, RunFolderError
from instageo.files import describe_os_error, folder_errors
from instageo.locations import hide_secrets
from instageo.model.context import Run, Sweep
from instageo.model.log_files import log_to_files, quiet_threads, report_failures
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.new_folder import folder_creator
from instageo.model.settings import Mode, Settings
from instageo.model.settings.compose import (
    CONFIGS,
    OVERRIDE_ERRORS,
    ComposedConfig,
    add_resolver,
    config_to_yaml,
    describe_error,
    explicit_keys,
    settings_from_config,
)
from instageo.model.settings.keys import is_setting, unknown_key_message

log = logging.getLogger("instageo")

COMMANDS = {
    Mode.train: ("instageo.model.commands.train", "train"),
    Mode.eval: ("instageo.model.commands.evaluate", "evaluate"),
    Mode.chip_inference: ("instageo.model.commands.chip_inference", "chip_inference"),
    Mode.stats: ("instageo.model.commands.stats", "stats"),
    Mode.check: ("instageo.model.commands.check_tables", "check_tables"),
    Mode.show_batch: ("instageo.model.commands.show_batch", "show_batch"),
    Mode.lr_find: ("instageo.model.commands.lr_find", "lr_find"),
}
"""Module and function of each mode; imported when it runs, since importing PyTorch takes seconds."""

FAILED, INTERRUPTED = 1, 130
"""Exit status after an error and after Ctrl-C."""

DIRECTIONS = "minimize", "maximize"
"""Values of `hydra.sweeper.direction`."""

FLAGS_WITH_VALUE = (
    "--config-name", "-cn", "--config-dir", "-cd", "--config-path", "-cp", "--package", "-p", "--cfg", "-c",
    "--info", "-i", "--experimental-rerun",
)  # fmt: skip
"""Flags of Hydra that take a value as the next argument."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Overrides such as `train.num_epochs=3`, and Hydra's own flags; None for `sys.argv`. `--debug` shows
            tracebacks.

    Returns:
        Exit status: 0, 1 after an error (reported in one sentence on stderr), or 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("HYDRA_FULL_ERROR") == "1"
    flags, overrides = _split_flags([argument for argument in given if argument != "--debug"])
    job = HydraJob(debug, f"python -m instageo.model.run {shlex.join(given)}", overrides)
    try:
        sweeping = bool({"-m", "--multirun"} & set(flags))
        _check_overrides(overrides, sweeping=sweeping)
        if sweeping:
            _check_intervals(overrides)
        _compose_and_run([*flags, *overrides], job)
    except (InstaGeoError, HydraException, *OVERRIDE_ERRORS, OSError) as error:
        if debug:
            raise
        if not any(error is raised for raised in job.raised):
            job.errors.append(_describe(error))
    except KeyboardInterrupt:
        sys.stderr.write(
            "interrupted; train.resume=true continues a training after its last complete epoch, the same output_dir "
            "continues chip_inference\n"
        )
        return INTERRUPTED
    for sentence in job.errors:
        sys.stderr.write(f"error: {sentence}\n")
    return FAILED if job.errors else 0


@dataclass
class HydraJob:
    """The function that Hydra calls with a composed configuration, once or for every job of a sweep.

    It collects errors for `main` to report, since Hydra would print a line of its own before each. In a sweep it also
    raises them, so that the sweeper notices.

    Attributes:
        debug: Whether errors keep their traceback.
        command: The command line, for `run.json`.
        overrides: Overrides as typed.
        errors: Sentences to report.
        raised: Errors that were passed on to the sweeper.
    """

    debug: bool
    command: str
    overrides: Sequence[str]
    errors: list[str] = field(default_factory=list)
    raised: list[InstaGeoError] = field(default_factory=list)

    def __call__(self, config: ComposedConfig) -> float | None:
        """Run the mode of a configuration, and return the score that a sweep compares, if the mode has one."""
        sweep = self._sweep(HydraConfig.get())
        try:
            return self._run(config, sweep)
        except InstaGeoError as error:
            if self.debug:
                raise
            self.errors.append(f"job {sweep.job}: {_describe(error)}" if sweep else _describe(error))
            if not isinstance(error, RunFolderError):  # the log files are those of another run
                log_to_files(self.errors[-1])
            if sweep:
                self.raised.append(error)
                raise
        return None

    def _run(self, config: ComposedConfig, sweep: Sweep | None) -> float | None:
        from instageo.model.run_folder import claim_folder
        from instageo.model.tracking.run_json import RunRecorder

        report_failures()
        settings, composed = settings_from_config(config), HydraConfig.get()
        explicit = explicit_keys(settings, composed.overrides.task)
        run = Run(settings, Path(composed.runtime.output_dir), explicit, sweep)
        parts = {"config": config, "hydra": HydraConfig.instance().cfg, "overrides": composed.overrides.task}
        configuration = {f"{name}.yaml": config_to_yaml(part) for name, part in parts.items()}
        with (
            quiet_threads(),
            folder_errors(run.folder),
            claim_folder(settings, run.folder, configuration),
            RunRecorder(run, self.command),
        ):
            module, function = COMMANDS[settings.mode]
            command = getattr(importlib.import_module(module), function)
            keep_freed_memory()
            score: float | None = command(run)
        return score

    def _sweep(self, composed: HydraConf) -> Sweep | None:
        """Return the sweep that the job belongs to, if any, with the settings that differ between its jobs."""
        if composed.mode is not RunMode.MULTIRUN:
            return None
        typed = OverridesParser.create().parse_overrides(list(self.overrides))
        varies = {override.get_key_element(): override.is_sweep_override() for override in typed}
        own = [override for override in composed.overrides.task if varies.get(override.partition("=")[0], True)]
        direction = composed.sweeper.get("direction")
        job = hide_secrets(f"{composed.job.num} ({', '.join(own)})")
        return Sweep(job, getattr(direction, "name", direction))


def _compose_and_run(arguments: Sequence[str], job: HydraJob) -> None:
    """Call Hydra, which takes its arguments from sys.argv, and let errors through unchanged."""
    _silence_notices()
    ConfigStore.instance().store(name="settings", node=Settings)
    before, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    add_resolver("new_folder", folder_creator())
    sys.argv = [before[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")(job.__call__)()
    except ValueError as error:
        if isinstance(error.__cause__, OSError):  # of a log file
            raise error.__cause__ from error
        raise
    finally:
        sys.argv = before
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate Hydra's flags and their values from overrides: Hydra wants the flags in one place."""
    flags: list[str] = []
    overrides: list[str] = []
    for before, argument in pairwise(["", *arguments]):
        (flags if argument.startswith("-") or before in FLAGS_WITH_VALUE else overrides).append(argument)
    return flags, overrides


def _check_overrides(overrides: Sequence[str], *, sweeping: bool) -> None:
    """Check overrides: each is `key=value` with a valid key, and has an effect."""
    for override in overrides:
        key, equals, value = override.lstrip("+").partition("=")
        if not equals or override.startswith("~"):
            raise ConfigError(f"'{override}' is not a valid override; use key=value, such as train.num_epochs=20")
        if not key.startswith("hydra") and not is_setting(key):
            raise ConfigError(unknown_key_message(key))
        if key == "hydra.sweeper.direction" and value not in DIRECTIONS:
            raise ConfigError(f"{override} does not work; expected {' or '.join(DIRECTIONS)}")
        if sweeping and key == "hydra.run.dir":
            raise ConfigError("hydra.run.dir has no effect on a sweep (-m); name its folder with hydra.sweep.dir=…")


def _check_intervals(overrides: Sequence[str]) -> None:
    """Check that Optuna can search each range."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        interval = override.value()
        if isinstance(interval, IntervalSweep):
            low, high = interval.start or 0, interval.end or 0
            above = 0 if "log" in interval.tags else -math.inf
            if not above < low <= high:
                lowest = "" if math.isinf(above) else ", above 0 for a range of ratios"
                raise ConfigError(f"'{override.input_line}' is not a valid range; expected the lower end first{lowest}")


def _describe(error: Exception) -> str:
    """Return one sentence for an error of any kind."""
    if isinstance(error, InstaGeoError):
        return str(error).splitlines()[0]
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        if error.missing_cfg_file.startswith("hydra/sweeper"):
            extra = "the one for Optuna needs the extra: pip install 'instageo-model[sweep]'"
            return f"{error.missing_cfg_file} does not exist; {extra}"
        shipped = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
        return (
            f"configuration '{error.missing_cfg_file}' does not exist; choose one of {shipped}, or name the folder of "
            "your own with --config-dir"
        )
    if isinstance(error, OSError) and error.filename:
        return describe_os_error(error)
    for cause in (error, error.__cause__):
        if cause is not None and "full_key:" in str(cause):
            return describe_error(cause)
    ambiguous = re.match(r"Ambiguous value for argument '(.*)'", str(error))
    if ambiguous:
        return (
            f"'{ambiguous[1]}' has several values; add -m to try each of them, or write a list as key=[a,b] and a text "
            "as key='\"a,b\"'"
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = "; quote a value with special characters: 'key=\"value\"'" if "Lexer" in str(error) else ""
    return " ".join(lines[:3]) + hint


def _silence_notices() -> None:
    """Silence notices that do not help a user: warnings of Lightning, retries, GDAL's echo of errors we report."""
    for name in ("rasterio", "huggingface_hub", "matplotlib", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning|torchmetrics)")
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    warnings.filterwarnings("ignore", message="Detected pickle protocol")


if __name__ == "__main__":
    sys.exit(main())
