"""The files of a folder or of a zip archive, and their content."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from instageo.errors import DataError


@dataclass(frozen=True)
class Listing:
    """The files of a product.

    Attributes:
        root: The folder or archive.
        names: Paths of its files, relative to it and with forward slashes, sorted.
        gdal_root: Path under which GDAL finds them.
        read: Returns the first bytes of a file, by its path and their number.
    """

    root: Path
    names: tuple[str, ...]
    gdal_root: str
    read: Callable[[str, int], bytes]

    def gdal_path(self, name: str) -> str:
        """Return the path under which GDAL opens a file."""
        return f"{self.gdal_root}/{name}"

    def find(self, *file_names: str) -> str | None:
        """Return the first path with one of these file names, nearest to the root first; None without one."""
        found = [name for name in self.names if PurePosixPath(name).name in file_names]
        return min(found, key=lambda name: (name.count("/"), name), default=None)


def list_product(path: Path) -> Listing | None:
    """Return the files of a folder, with those of the images of a SAFE folder, or of a zip archive; None for others.

    Raises:
        DataError: A zip archive cannot be read.
    """
    if path.is_dir():
        files = [file for pattern in ("*", "GRANULE/*/IMG_DATA/*/*") for file in path.glob(pattern) if file.is_file()]
        names = sorted(file.relative_to(path).as_posix() for file in files)
        return Listing(path, tuple(names), str(path), lambda name, size: _read_file(path / name, size))
    if path.suffix.lower() != ".zip" or not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as a zip archive ({error}); download it again") from error
    return Listing(path, tuple(names), f"/vsizip/{path.absolute()}", lambda name, size: _read_entry(path, name, size))


def _read_file(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _read_entry(path: Path, name: str, size: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            return file.read(size)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: its file {name} cannot be read ({error}); download the archive again") from error
