"""Errors that a user can act on: one sentence with the location, the problem, what was expected and what to do."""

import difflib
import re
from collections.abc import Iterable

from instageo.locations import hide_secrets

IN_WORKER = re.compile(r"\ACaught \w+ in DataLoader worker process \d+\..*^[\w.]+: (.*)\Z", re.DOTALL | re.MULTILINE)
"""What PyTorch makes of the message of an error in a loader's process; the message itself comes last."""


class InstaGeoError(Exception):
    """Base of all errors that are shown to the user without a traceback; secrets in URLs are hidden.

    An error of a loader's process keeps the message that it had there.

    Examples:
        >>> import instageo
        >>> try:
        ...     instageo.load_model("missing.ckpt")
        ... except instageo.InstaGeoError as error:
        ...     print(type(error).__name__)
        CheckpointError
    """

    def __str__(self) -> str:
        text = super().__str__()
        in_worker = IN_WORKER.match(text)
        return hide_secrets(in_worker[1].strip() if in_worker else text)


class ConfigError(InstaGeoError):
    """A setting is unknown, mistyped or missing, or contradicts another."""


class RunFolderError(ConfigError):
    """The folder of a run is in use, or holds results of another run."""


class TableError(InstaGeoError):
    """A table of chips is missing, empty or malformed."""


class RasterError(InstaGeoError):
    """A raster file is missing or unreadable, or has an unexpected shape."""


class PixelTypeError(RasterError):
    """The pixels of a raster file are not real numbers."""


class WindowOutsideError(RasterError):
    """A window that is to be read reaches beyond its raster file."""


class LayerError(RasterError):
    """The layers of a raster file are not those that the settings or the model expect.

    Args:
        problem: What is wrong: the file, what was found, what was expected.
        advice: Which settings help; left out where the reader cannot set them, as over HTTP.
    """

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}")
        self.problem, self.advice = problem, advice

    def __reduce__(self) -> tuple[type["LayerError"], tuple[str, str]]:
        return type(self), (self.problem, self.advice)


class DataError(InstaGeoError):
    """Rows of a table name files that cannot be used."""


class OutOfMemoryError(InstaGeoError):
    """Memory of the machine, the GPU or the loader's processes ran out, or would."""


class CheckpointError(InstaGeoError):
    """A checkpoint is missing or unreadable, or does not fit the settings."""


class WeightsError(InstaGeoError):
    """Pretrained weights are missing or unreadable, or do not fit the network."""


class RegistryError(InstaGeoError):
    """A model registry, or an entry in it, is missing, malformed or inconsistent."""


class WriteError(InstaGeoError):
    """A file cannot be written: its disk is full, read-only or limited, or its path cannot be used."""


class MissingExtraError(InstaGeoError):
    """An optional package is not installed; the message names the extra that installs it."""


class BackendUnavailableError(InstaGeoError):
    """A runtime cannot compute a network on this machine; the text says why."""


def did_you_mean(name: str, available: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `; did you mean NAME?` for the available name nearest to an unknown one, or an empty text.

    Examples:
        >>> did_you_mean("dise", ["dice", "focal"])
        '; did you mean dice?'
    """
    matches = difflib.get_close_matches(name, list(available), n=1, cutoff=cutoff)
    return f"; did you mean {matches[0]}?" if matches else ""
