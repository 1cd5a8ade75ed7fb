"""Unpack archives, whole or not at all, and never outside of their folder."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from instageo.files import write_errors
from instageo.recipes.definition.recipe import RecipeError

TEMPORARY = ".unpacking"


def unpack_archive(archive: Path, folder: Path) -> None:
    """Unpack a tar archive (also compressed) or a zip archive; files of the same names are replaced.

    Raises:
        RecipeError: The archive is missing or damaged, or has an entry that leads out of the folder.
        WriteError: The disk refuses a file.
    """
    if not archive.is_file():
        raise RecipeError(f"{archive}: no such file; expected the archive that was downloaded")
    temporary = folder / TEMPORARY
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    try:
        with write_errors(temporary):
            temporary.mkdir(parents=True)
            (_unpack_zip if archive.suffix.lower() == ".zip" else _unpack_tar)(archive, temporary)
            _move(temporary, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise RecipeError(f"{archive}: cannot be unpacked ({error}); delete it and prepare again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)  # noqa: S202  # nosec B202: zipfile keeps names inside the folder


def _move(source: Path, target: Path) -> None:
    """Move all files of a folder into another."""
    for path in sorted(source.rglob("*")):
        goal = target / path.relative_to(source)
        if path.is_dir():
            goal.mkdir(exist_ok=True)
        else:
            path.replace(goal)
