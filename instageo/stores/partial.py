"""A file on its way: what has come so far, under another name, and what it is the beginning of."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

BLOCK = 1 << 22
"""Bytes read at a time where what came before is hashed."""


@dataclass(frozen=True)
class ResumeInfo:
    """What a file on its way is the beginning of.

    Attributes:
        url: Where it comes from.
        size: Bytes of all of it.
        tag: What the store calls its content.
    """

    url: str
    size: int
    tag: str


class PartialFile:
    """The beginning of a file, which grows at its end only and so is true at any moment.

    Attributes:
        target: The name that it gets when it is whole.
        path: The name that it has until then.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._record = target.with_name(f"{target.name}.part.json")

    def begun(self, origin: ResumeInfo) -> int:
        """Bytes of that very content that are there already; what is there of another is dropped."""
        try:
            known = json.loads(self._record.read_text())
            size = self.path.stat().st_size
        except (OSError, ValueError):
            known, size = None, 0
        if known == asdict(origin) and size <= origin.size:
            return size
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._record.write_text(json.dumps(asdict(origin)))
        return 0

    def hashed(self) -> Any:
        """A running sha256 of what is there."""
        digest = sha256()
        for block in self._blocks():
            digest.update(block)
        return digest

    def finish(self) -> None:
        """Give it its name. The disk is not waited for: a file that a power cut shortens has the wrong size."""
        self.path.replace(self.target)
        self._record.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what is there."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def _blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
