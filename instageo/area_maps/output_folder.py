"""The output folder of a run, which no other run may write to at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instageo.errors import DataError
from instageo.files import remove_temporary_files
from instageo.stores.lock import LockedError, hold_output


@contextmanager
def held_output(folder: Path) -> Iterator[None]:
    """Hold an output folder during this block; it is created if it does not exist.

    If nothing is written to it, it is removed again if it was not there.

    Half-written files that a killed run has left in it are removed.

    Raises:
        DataError: Another run is writing to it.
        WriteError: The disk refuses the lock.
    """
    try:
        with hold_output(folder):
            remove_temporary_files(folder)
            yield
    except LockedError as error:
        raise DataError(f"{folder}: another run is writing maps there ({error}); wait for its end") from error
