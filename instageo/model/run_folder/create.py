"""Create the default folder of a run: outputs/DATE/TIME."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from instageo.errors import RunFolderError
from instageo.files import write_errors
from instageo.model.tracking.environment import is_first_process

MAX_COPIES = 10_000
"""Runs that may start in one second."""


def folder_creator() -> Callable[[str], str]:
    """Return a function from a parent folder to a new folder `DATE/TIME` in it, the same at each call.

    A run that starts in the same second as another gets a folder of its own, `DATE/TIME-2`. Of several processes of a
    run, only the first creates a folder.

    Raises:
        WriteError: The disk refuses the folder.
    """

    @cache
    def create(parent: str) -> str:
        folder = Path(parent) / datetime.now().strftime("%Y-%m-%d/%H-%M-%S")
        if not is_first_process():
            return str(folder)
        with write_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            for number in range(1, MAX_COPIES):
                path = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
                with suppress(FileExistsError):
                    path.mkdir()
                    return str(path)
        raise RunFolderError(f"{folder}: exists, and so do its numbered copies; choose a folder with hydra.run.dir=…")

    return create
