"""Names of exported files, by which they differ from checkpoints."""

from pathlib import Path

EXPORTS = "exports"
"""Folder next to a checkpoint with its network in other formats, which are published with it."""

RECORD_FILE = "export.json"
"""Name of the file in a folder of exports that describes them."""

SUFFIXES = (".onnx", ".xml", ".bin", ".pt2")
"""Ends of the names of exported networks."""


def find_export(path: Path) -> Path | None:
    """Return the exported network, or the folder of exports, that a user has named in place of a checkpoint.

    Args:
        path: Where the checkpoint should be.
    """
    if path.is_file():
        return path if path.suffix in SUFFIXES else None
    return path.parent if (path.parent / RECORD_FILE).is_file() else None
