"""Files of tensors: read without running code that they contain, verified by their checksums, written whole."""

import errno
import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from instageo.errors import InstaGeoError
from instageo.files import atomic_path

log = logging.getLogger(__name__)

METADATA_KEY = "instageo"
"""Key of a checkpoint under which this program keeps its metadata, as plain types."""


def read_tensor_file(file: Path, error: type[InstaGeoError]) -> dict[str, Any]:
    """Read the dictionary in a `.pt`, `.ckpt` or `.safetensors` file.

    The CRC-32 that `torch.save` stores of every tensor, and of all else in the file, is compared with the content,
    which `torch.load` does not do.

    Args:
        file: An existing file.
        error: Class of the error to raise.

    Raises:
        InstaGeoError: Of the class `error`: it is not such a file, is damaged, holds objects that could run code, or
            does not hold a dictionary.
    """
    try:
        has_checksums = _has_checksums(file)
        if has_checksums and (damaged := _find_damage(file)):
            raise error(
                f"{file}: is damaged: the checksum of its part {damaged} does not match; download or create it again"
            )
        content = _load(file)
    except pickle.UnpicklingError as unsafe:
        raise error(
            f"{file}: not a PyTorch file of plain tensors, or holds objects that could run code; it was not loaded"
        ) from unsafe
    except (RuntimeError, EOFError, ValueError, OSError, KeyError, zipfile.BadZipFile) as damage:
        raise error(
            f"{file}: not a PyTorch file of plain tensors, or a damaged one; download or create it again"
        ) from damage
    if not isinstance(content, Mapping):
        raise error(f"{file}: holds a {type(content).__name__}; expected a dictionary of tensors")
    if not has_checksums:
        log.info("%s: contains no checksums, so that damage to it may go unnoticed", file)
    return dict(content)


def _load(file: Path) -> object:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def write_tensor_file(file: Path, content: Mapping[str, Any]) -> None:
    """Write a dictionary of tensors and plain types as `torch.save` does, whole or not at all, with checksums.

    Raises:
        WriteError: The disk refuses the file.
    """
    with atomic_path(file, verify=_verify_directory) as temporary, temporary.open("wb") as target:
        stream = _DeferredErrors(target)
        torch.save(dict(content), cast("IO[bytes]", stream))
        if stream.error is not None:
            raise stream.error


class _DeferredErrors:
    """A file that keeps its first error for later: PyTorch would turn it into one without a reason, or crash."""

    def __init__(self, target: BinaryIO) -> None:
        self.target = target
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write data, unless writing has failed before."""
        if self.error is None:
            try:
                self.target.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Flush the file, unless writing has failed before."""
        if self.error is None:
            try:
                self.target.flush()
            except OSError as error:
                self.error = error


def _has_checksums(file: Path) -> bool:
    """Return whether a file is an archive of `torch.save` with checksums; without, it stores zeros."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(entry.CRC for entry in archive.infolist())


def _find_damage(file: Path) -> str | None:
    """Return the name of a part whose content does not match its checksum, or None."""
    with zipfile.ZipFile(file) as archive:
        return archive.testzip()


def _verify_directory(file: Path) -> None:
    """Raise an error if the end of an archive, which lists its parts, is not there."""
    if not zipfile.is_zipfile(file):
        raise OSError(errno.EIO, "the file was cut short")
