"""The part of a file that has been downloaded so far, so that the next call can resume."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.plain_values import load_json_file

READ_BLOCK = 1 << 22
"""Bytes read at a time to hash an earlier part."""


@dataclass(frozen=True)
class ResumeInfo:
    """The content that a partial file is the beginning of.

    Attributes:
        url: Its location in a store.
        size: Bytes of the whole file.
        etag: The store's identifier of the content.
    """

    url: str
    size: int
    etag: str


class PartialFile:
    """The beginning of a file under a temporary name; it only grows at its end, so it is valid at any moment.

    Attributes:
        target: Name of the whole file.
        path: Temporary name, `….part`.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._info_file = target.with_name(f"{target.name}.part.json")

    def prepare(self, info: ResumeInfo) -> int:
        """Return the number of bytes of that content that exist; delete a part of any other content."""
        try:
            existing = load_json_file(self._info_file)
            size = self.path.stat().st_size
        except (OSError, ValueError):
            existing, size = None, 0
        if existing == asdict(info) and size <= info.size:
            return size
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._info_file.write_text(json.dumps(asdict(info)))
        return 0

    def hash(self) -> Any:
        """Return a sha256 of the bytes so far, which can be updated."""
        digest = sha256()
        with self.path.open("rb") as file:
            while block := file.read(READ_BLOCK):
                digest.update(block)
        return digest

    def finish(self) -> None:
        """Rename the file to its target, without a sync: if the power fails, its size shows that it is cut short."""
        self.path.replace(self.target)
        self._info_file.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the bytes so far."""
        self.path.unlink(missing_ok=True)
        self._info_file.unlink(missing_ok=True)
