"""Arguments of a run: Hydra's flags, and overrides `key=value`, checked and quoted as Hydra reads them."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from instageo.errors import ConfigError, did_you_mean
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import former_keys, is_setting, keys_with, unknown_key_message

DIRECTIONS = "minimize", "maximize"
"""Values of `hydra.sweeper.direction`."""

FLAGS_WITH_VALUE = (
    "--config-name", "-cn", "--config-dir", "-cd", "--config-path", "-cp", "--package", "-p", "--cfg", "-c",
    "--info", "-i", "--experimental-rerun",
)  # fmt: skip
"""Flags of Hydra that take a value as the next argument."""

HYDRA_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
"""Settings of Hydra that are paths."""

WORDS = ("", "null", "true", "false")
"""Values of text settings that are no text: none at all, and the other values of `train.resume`."""


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate Hydra's flags and their values from overrides: Hydra wants the flags in one place."""
    flags: list[str] = []
    overrides: list[str] = []
    for before, argument in pairwise(["", *arguments]):
        (flags if argument.startswith("-") or before in FLAGS_WITH_VALUE else overrides).append(argument)
    return flags, overrides


def is_sweep(flags: Sequence[str]) -> bool:
    """Return whether flags ask for a sweep."""
    return bool({"-m", "--multirun"} & set(flags))


def prepare_overrides(overrides: Sequence[str], *, sweeping: bool) -> list[str]:
    """Return overrides as Hydra reads them: paths and other free text in quotes, so that they mean what they say.

    Args:
        overrides: As typed: `checkpoint_path=runs/epoch=3.ckpt`.
        sweeping: Whether a value may be several, separated by commas.

    Raises:
        ConfigError: An override is not `key=value`, names no setting, has no effect, or cannot be read.
    """
    for override in overrides:
        _check_override(override, sweeping=sweeping)
    quoted = [_quote_text(_with_present_key(override), sweeping=sweeping) for override in overrides]
    for override in quoted:
        parsed = _parse(override)
        if parsed is None:
            key = override.partition("=")[0]
            raise ConfigError(
                f"{override} cannot be read; put quotes around text with special characters, within others for the "
                f'shell: \'{key}="text"\', \'{key}=["one","two"]\''
            )
        if sweeping:
            _check_interval(parsed)
    return quoted


def _check_override(override: str, *, sweeping: bool) -> None:
    key, equals, value = override.lstrip("+").partition("=")
    if not equals or override.startswith("~"):
        raise ConfigError(f"'{override}' is not a valid override; use key=value, such as train.num_epochs=20")
    if not key.startswith("hydra") and not is_setting(key):
        raise ConfigError(unknown_key_message(key))
    if key == "hydra.sweeper.direction" and value not in DIRECTIONS:
        hint = did_you_mean(value, DIRECTIONS)
        raise ConfigError(f"{override} does not work; expected {' or '.join(DIRECTIONS)}{hint}")
    if sweeping and key == "hydra.run.dir":
        raise ConfigError("hydra.run.dir has no effect on a sweep (-m); name its folder with hydra.sweep.dir=…")


def _with_present_key(override: str) -> str:
    """Return an override with the present key of a setting that has moved between groups: `engine=ray`."""
    key, _, value = override.lstrip("+").partition("=")
    moved = former_keys().get(key)
    return override if moved is None or value.startswith("{") else f"{moved}={value}"


def _quote_text(override: str, *, sweeping: bool) -> str:
    """Return an override with its value in quotes if it is free text that the user did not quote for Hydra."""
    prefixed, _, value = override.partition("=")
    if prefixed.lstrip("+") not in (*keys_with(Role.free_text), *HYDRA_FOLDERS) or value.lower() in WORDS:
        return override
    parsed = _parse(override)
    if parsed is not None:
        if value[0] in "'\"" and isinstance(parsed.value(), str):
            return override
        if sweeping and parsed.is_sweep_override() and not Path(value).expanduser().exists():
            return override
    return f"{prefixed}={QuotedString(value, Quote.single).with_quotes()}"


def _parse(override: str) -> Override | None:
    """Return an override as Hydra reads it; None if it cannot."""
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None


def _check_interval(override: Override) -> None:
    """Check that Optuna can search a range."""
    interval = override.value()
    if isinstance(interval, IntervalSweep):
        low, high = interval.start or 0, interval.end or 0
        above = 0 if "log" in interval.tags else -math.inf
        if not above < low <= high:
            lowest = "" if math.isinf(above) else ", above 0 for a range of ratios"
            raise ConfigError(f"'{override.input_line}' is not a valid range; expected the lower end first{lowest}")
