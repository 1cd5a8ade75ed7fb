"""Errors a user can act on: one sentence that says where, what was found, what was expected, what to do."""

import difflib
from collections.abc import Iterable

from instageo.locations import hide_secrets


class InstaGeoError(Exception):
    """Base of every error that is shown to the user without a traceback; its text shows no secrets of URLs.

    Examples:
        >>> import instageo
        >>> try:
        ...     instageo.load_model("missing.ckpt")
        ... except instageo.InstaGeoError as error:
        ...     print(type(error).__name__)
        CheckpointError
    """

    def __str__(self) -> str:
        return hide_secrets(super().__str__())


class ConfigError(InstaGeoError):
    """A setting is unknown, mistyped, missing or contradicts another."""


class TableError(InstaGeoError):
    """A table of chips is missing, empty or not readable as one."""


class RasterError(InstaGeoError):
    """A raster file is missing, unreadable or has another shape than expected."""


class DataError(InstaGeoError):
    """Rows of a table point to files that cannot be used."""


class CheckpointError(InstaGeoError):
    """A checkpoint is missing, unreadable or does not fit the settings."""


class WeightsError(InstaGeoError):
    """Pretrained weights are missing, unreadable or do not fit the network."""


class RegistryError(InstaGeoError):
    """A model registry, or a name in it, is missing, malformed or says something else."""


class MissingExtraError(InstaGeoError):
    """An optional package is not installed; the message names the extra that brings it."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `; did you mean NAME?` for the known name nearest to an unknown one, or nothing if none is near.

    Examples:
        >>> did_you_mean("dise", ["dice", "focal"])
        '; did you mean dice?'
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""
