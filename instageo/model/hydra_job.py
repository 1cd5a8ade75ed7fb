"""Compose the configuration of a run with Hydra, and run its mode: once, or for every job of a sweep."""

import importlib
import importlib.util
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import hydra
from hydra._internal.hydra import Hydra
from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode

from instageo.errors import InstaGeoError, MissingExtraError, RunFolderError
from instageo.extras import required_by
from instageo.files import describe_os_error, folder_errors
from instageo.locations import hide_secrets
from instageo.model.context import Run, Sweep
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.overrides import is_sweep, prepare_overrides, split_flags
from instageo.model.run_folder.create import folder_creator
from instageo.model.run_folder.log_files import log_to_files, quiet_threads, report_failures
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
    update_config,
)
from instageo.model.settings.keys import iterate_settings
from instageo.model.settings.table_settings import read_table_settings, tables_of_mode
from instageo.model.settings.unused_settings import describe_unused_in_mode
from instageo.runtime.memory import explain_memory_errors

log = logging.getLogger("instageo")

COMMANDS = {
    Mode.train: ("instageo.model.commands.train", "train"),
    Mode.eval: ("instageo.model.commands.evaluate", "evaluate"),
    Mode.chip_inference: ("instageo.model.commands.chip_inference", "chip_inference"),
    Mode.stats: ("instageo.model.commands.stats", "stats"),
    Mode.check: ("instageo.model.commands.check_tables", "check_tables"),
    Mode.show_batch: ("instageo.model.commands.show_batch", "show_batch"),
    Mode.lr_find: ("instageo.model.commands.lr_find", "lr_find"),
    Mode.map: ("instageo.model.commands.map_scenes", "map_scenes"),
    Mode.export: ("instageo.model.exports.export_command", "export"),
}
"""Module and function of each mode; imported when it runs, since importing PyTorch takes seconds."""

MEMORY_ADVICE = (
    "lower train.batch_size or dataloader.img_size, use fewer loader processes (dataloader.num_workers) or a smaller "
    "network, or set model.gradient_checkpointing=true"
)
"""What to do when memory runs out."""

ENTRY = "instageo.model.run"
"""Module that a further process of the same run is started with."""


def run_with_hydra(arguments: Sequence[str]) -> list[str]:
    """Run the mode that arguments describe, or the jobs of a sweep.

    Args:
        arguments: Overrides, and flags of Hydra or `--debug`.

    Returns:
        A sentence for each error; none if all went well.
    """
    debug = "--debug" in arguments or os.environ.get("HYDRA_FULL_ERROR") == "1"
    flags, overrides = split_flags([argument for argument in arguments if argument != "--debug"])
    job = HydraJob(debug, f"python -m {ENTRY} {shlex.join(arguments)}")
    try:
        sweeping = is_sweep(flags)
        job.overrides = prepare_overrides(overrides, sweeping=sweeping)
        _compose_and_run([*flags, *job.overrides], job)
        if sweeping:
            job.report_best()
    except (InstaGeoError, HydraException, *OVERRIDE_ERRORS, OSError) as error:
        if debug and not isinstance(error, MissingExtraError):
            raise
        if not any(error is raised for raised in job.raised):
            job.errors.append(_describe(error))
    return job.errors


@dataclass(frozen=True)
class SweepResult:
    """The result of one job of a sweep.

    Attributes:
        job: Number of the job, with the settings that differ between jobs.
        folder: Its folder.
        score: Name and value of the score that jobs are compared by.
        mode: `max` if higher is better, `min` if lower is.
    """

    job: str
    folder: Path
    score: tuple[str, float]
    mode: str


@dataclass
class HydraJob:
    """The function that Hydra calls with a composed configuration, once or for every job of a sweep.

    It collects errors for `run_with_hydra` to return, since Hydra would print a line of its own before each. In a
    sweep it also raises them, so that the sweeper notices.

    Attributes:
        debug: Whether errors keep their traceback.
        command: The command line, for `run.json`.
        overrides: Overrides as Hydra reads them.
        errors: Sentences to report.
        raised: Errors that were passed on to the sweeper.
        results: Results of the jobs of a sweep that have a score.
    """

    debug: bool
    command: str
    overrides: Sequence[str] = ()
    errors: list[str] = field(default_factory=list)
    raised: list[InstaGeoError] = field(default_factory=list)
    results: list[SweepResult] = field(default_factory=list)

    def __call__(self, config: ComposedConfig) -> float | None:
        """Run the mode of a configuration, and return the score that a sweep compares, if the mode has one."""
        sweep = self._sweep(HydraConfig.get())
        try:
            return self._run(config, sweep)
        except InstaGeoError as error:
            if self.debug and not isinstance(error, MissingExtraError):
                raise
            self.errors.append(f"job {sweep.job}: {_describe(error)}" if sweep else _describe(error))
            if not isinstance(error, RunFolderError):  # the log files are those of another run
                log_to_files(self.errors[-1])
            if sweep:
                self.raised.append(error)
                raise
        return None

    def report_best(self) -> None:
        """Log which job of a sweep has the best score, and where its files are."""
        scored = [result for result in self.results if result.score[1] == result.score[1]]  # without NaN
        if scored:
            mode = scored[0].mode
            best = (max if mode == "max" else min)(scored, key=lambda result: result.score[1])
            name, value = best.score
            log.info("best of %d jobs: job %s, %s %.4f, in %s", len(self.results), best.job, name, value, best.folder)

    def _run(self, config: ComposedConfig, sweep: Sweep | None) -> float | None:
        from instageo.model.run_folder.claim import claim_folder
        from instageo.model.tracking.run_json import RunRecorder

        report_failures()
        settings, composed = settings_from_config(config), HydraConfig.get()
        typed = [override.lstrip("+~").partition("=")[0] for override in composed.overrides.task]
        for sentence in describe_unused_in_mode(settings.mode, typed):
            log.warning("%s", sentence)
        explicit = explicit_keys(settings, composed.overrides.task)
        brought = read_table_settings(settings, explicit, tables_of_mode(settings))
        if brought:
            config, explicit = update_config(config, brought), explicit | frozenset(brought)
            settings = settings_from_config(config)
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
            with required_by(f"mode={settings.mode.value}", "model,cpu"):
                command = getattr(importlib.import_module(module), function)
            keep_freed_memory()
            with explain_memory_errors(f"mode={settings.mode.value}", MEMORY_ADVICE):
                score: float | None = command(run)
        if sweep and score is not None and run.info.monitor is not None:
            name, mode = run.info.monitor
            self.results.append(SweepResult(sweep.job, run.folder, (name, score), mode))
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
    """Call Hydra, and let errors through unchanged."""
    _silence_notices()
    _store_schema()
    full = os.environ.get("HYDRA_FULL_ERROR")
    add_resolver("new_folder", folder_creator())
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with _command_line(arguments), _mode_by_flags(arguments):
            hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")(job.__call__)()
    except ValueError as error:
        if isinstance(error.__cause__, OSError):  # of a log file
            raise error.__cause__ from error
        raise
    finally:
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]


@cache
def _store_schema() -> None:
    """Give Hydra the names and types of all settings."""
    ConfigStore.instance().store(name="settings", node=Settings)


@contextmanager
def _mode_by_flags(arguments: Sequence[str]) -> Iterator[None]:
    """Let the flags say whether this is a sweep, unless `hydra.mode` may.

    Hydra reads `hydra.mode` from a configuration that it composes for this alone, which takes a tenth of a second.
    """
    read_mode = Hydra.get_mode
    if not any(argument.lstrip("+").startswith(("hydra.mode", "hydra=", "-c", "--c")) for argument in arguments):
        Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = read_mode  # type: ignore[method-assign]


@contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Let this process count as `python -m instageo.model.run` with these arguments.

    Hydra reads them from `sys.argv`. On several devices Lightning starts the other processes with the same module and
    arguments, whichever command has started this one.
    """
    main = sys.modules["__main__"]
    argv, spec = sys.argv, main.__spec__
    sys.argv, main.__spec__ = [argv[0], *arguments], importlib.util.find_spec(ENTRY)
    try:
        yield
    finally:
        sys.argv, main.__spec__ = argv, spec


def _first_setting(group: str) -> str:
    return next(key for key, _ in iterate_settings() if key.startswith(f"{group}.")).rpartition(".")[2]


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
    merged = re.search(r"Merge error: (\w+) is not a subclass of (\w+)Settings\. value: (.*)", str(error))
    if merged:
        group = merged[2].lower()
        return (
            f"a configuration file has {group}: {merged[3]}, but {group} is a group of settings; write its settings "
            f"below it, such as {group}: {{{_first_setting(group)}: {merged[3]}}}"
        )
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
    return " ".join(lines[:3])


def _silence_notices() -> None:
    """Silence notices that do not help a user: warnings of Lightning, retries, GDAL's echo of errors we report."""
    for name in ("rasterio", "huggingface_hub", "matplotlib", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning|torchmetrics)")
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    warnings.filterwarnings("ignore", message="Detected pickle protocol")
    warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
