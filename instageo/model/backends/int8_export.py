"""An int8 export of a network, which OpenVINO computes in place of a network that is quantised on this machine."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import BackendUnavailableError, ConfigError
from instageo.model.graphs.exported_files import RECORD_FILE
from instageo.model.graphs.program import InputShape
from instageo.stores.download import sha256_file


@dataclass(frozen=True)
class Int8Export:
    """Files of OpenVINO that take normalised images and give the network's outputs.

    Attributes:
        folder: Their folder.
        checksums: SHA-256 of each by its name, as `export.json` has them.
        compared: Whether they were compared with the network when they were written.
    """

    folder: Path
    checksums: Mapping[str, str]
    compared: bool

    def copy_to(self, folder: Path, stem: str) -> None:
        """Copy the files under another stem, and check that they are the ones that were exported.

        Raises:
            BackendUnavailableError: One is missing, or was changed.
        """
        for name, checksum in self.checksums.items():
            source, copy = self.folder / name, (folder / stem).with_suffix(Path(name).suffix)
            if source.is_file():
                shutil.copyfile(source, copy)
            if not copy.is_file() or sha256_file(copy) != checksum:
                raise BackendUnavailableError(
                    f"{source}: is missing, or was changed since it was exported; export it again"
                )


def find_int8_export(
    folder: Path, record: Mapping[str, Any], checkpoint: Path, shape: InputShape, bands: Sequence[str]
) -> Int8Export | None:
    """Return the export that computes images of a shape in int8, one that was compared with its network before others.

    Args:
        folder: Folder of exports.
        record: Its `export.json`, as `read_record` checks it.
        checkpoint: The model's.
        shape: Of its images.
        bands: Of each date.

    Returns:
        None if there is no such export.

    Raises:
        ConfigError: It was made of another checkpoint.
    """
    matches = [
        Int8Export(
            folder,
            {file: recorded["sha256"] for file, recorded in entry["files"].items()},
            compared=isinstance(entry.get("gate"), Mapping),
        )
        for name, entry in record["exports"].items()
        if _fits(name, entry, shape, bands)
    ]
    if matches and record["model"]["sha256"] != sha256_file(checkpoint):
        raise ConfigError(
            f"{folder / RECORD_FILE}: its exports were made of another checkpoint than {checkpoint}; export this one, "
            "or remove the folder"
        )
    return max(matches, key=lambda each: each.compared, default=None)


def _fits(name: str, entry: Mapping[str, Any], shape: InputShape, bands: Sequence[str]) -> bool:
    """Return whether an export has the inputs and outputs that the engine needs."""
    expected = {
        "format": "openvino", "precision": "int8", "input": "normalised", "output": "logits",
        "fixed_coordinates": None, "dates": shape.dates, "bands": list(bands),
    }  # fmt: skip
    return (
        all(entry.get(key) == value for key, value in expected.items())
        and shape.size == (entry.get("tile"),) * 2
        and set(entry["files"]) == {name, f"{Path(name).stem}.bin"}
    )
