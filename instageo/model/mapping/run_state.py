"""What a killed run has left of a map, and whether a new run may go on with it.

A map begins anew if its fingerprint has changed, which `map_jobs.map_job` makes of the scene, model and settings.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from instageo.errors import DataError, WriteError
from instageo.files import find_unfinished, write_text
from instageo.plain_values import load_json_file
from instageo.stores.lock import LockedError, hold_folder

log = logging.getLogger(__name__)

RUN = "run.json"
"""File of what a map depends on, next to its pieces."""


def pieces_folder(output: Path) -> Path:
    """Return the folder in which the pieces of a map are kept until it is whole."""
    return output.with_name(f"{output.name}.parts")


@contextmanager
def resumable(output: Path, fingerprint: Mapping[str, Any]) -> Iterator[Path]:
    """Hold the folder of a map's pieces during this block, and remove it if the block ends without an error.

    Pieces that an earlier run made of the same scene by the same model and settings are kept.

    Args:
        output: Path of the map.
        fingerprint: What its pixels depend on, by name, as JSON values.

    Yields:
        The folder.

    Raises:
        DataError: Another process is making the same map.
        WriteError: The disk refuses a file.
    """
    folder = pieces_folder(output)
    try:
        with hold_folder(folder):
            _begin(folder, json.loads(json.dumps(fingerprint)))
            yield folder
            (folder / RUN).unlink(missing_ok=True)  # first, so that what a kill leaves is known to be of no use
            shutil.rmtree(folder, ignore_errors=True)
    except LockedError as error:
        raise DataError(f"{output}: is being made by another run ({error}); wait for its end") from error


def is_unfinished(output: Path, fingerprint: Mapping[str, Any]) -> bool:
    """Return whether a run with this fingerprint has begun the map but not ended; its files may be older."""
    path = pieces_folder(output) / RUN
    stored = _read_fingerprint(path) if path.exists() else None
    own = json.loads(json.dumps(fingerprint))
    return stored is not None and all(stored.get(name) == value for name, value in own.items())


def remove_leftovers(output: Path, paths: Iterable[Path]) -> None:
    """Remove what killed runs have left of a map: half-written files, and pieces that are of no further use.

    Nothing is removed while another run makes the map, or where the disk does not allow it.

    Args:
        output: Path of the map.
        paths: All files of the map.
    """
    folder, files = pieces_folder(output), find_unfinished(paths)
    if not files and not folder.exists():
        return
    with suppress(LockedError, WriteError), hold_folder(folder):
        for file in files:
            file.unlink(missing_ok=True)
        if not (folder / RUN).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, fingerprint: Mapping[str, Any]) -> None:
    path = folder / RUN
    if path.exists():
        changed = _changes(path, fingerprint)
        if not changed:
            return
        log.info("what was made of %s before is made again: %s", folder.name.removesuffix(".parts"), changed)
    _empty(folder)
    write_text(path, json.dumps(fingerprint, indent=1))


def _changes(path: Path, fingerprint: Mapping[str, Any]) -> str:
    """Return what differs between a stored fingerprint and that of this run; empty if nothing does."""
    stored = _read_fingerprint(path)
    if stored is None:
        return "its record is damaged"
    names = [name for name in {**stored, **fingerprint} if stored.get(name) != fingerprint.get(name)]
    return f"{' and '.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))} changed" if names else ""


def _read_fingerprint(path: Path) -> dict[str, Any] | None:
    """Return a stored fingerprint; None if its file is damaged."""
    try:
        stored = load_json_file(path)
    except (ValueError, OSError, DataError):
        return None
    return stored if isinstance(stored, dict) else None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith(".lock"):
            path.unlink(missing_ok=True)
