"""Paths of the files that a manifest lists: it may come from anyone, so they must stay below the model's folder."""

import posixpath
import re
from pathlib import Path

from instageo.errors import RegistryError

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\\:]")
"""Control characters, and what Windows reads as folders, drives and streams."""

_RESERVED = re.compile(r"\.(?!hydra$).*|.*\.(?:part|lock)(?:\..*)?", re.IGNORECASE | re.DOTALL)
"""Names that the program uses itself: locks, records and partial downloads; hidden names, except `.hydra`."""


def is_published_path(path: object) -> bool:
    """Return whether text from a manifest is a usable path of a file below the folder of a version.

    It is relative, in its shortest form, and has no reserved name in it.
    """
    if not isinstance(path, str) or path != posixpath.normpath(path) or _UNUSABLE.search(path):
        return False
    parts = path.split("/")
    return parts[0] not in ("", "..", ".") and not any(map(_RESERVED.fullmatch, parts))


def locate_below(folder: Path, path: str) -> Path:
    """Return the local file of a published path.

    Raises:
        RegistryError: A symbolic link on the way leads out of the folder.
    """
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise RegistryError(f"{file}: leads to {file.resolve()}, outside of the model's folder; remove the link")
    return file
