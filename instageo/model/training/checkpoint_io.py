"""Write Lightning's checkpoints next to their target and read them with their checksums."""

from pathlib import Path
from typing import Any

from lightning_fabric.plugins import CheckpointIO

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import read_tensor_file, write_tensor_file


class AtomicCheckpointIO(CheckpointIO):
    """Replaces a checkpoint only by a complete one.

    Lightning's own class writes to the folder of temporary files first, and then copies over the checkpoint: if the
    disk fills up meanwhile, both are lost.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            WriteError: The disk refuses the file.
        """
        write_tensor_file(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint to the CPU, as plain tensors.

        Raises:
            CheckpointError: It is damaged, or no checkpoint.
        """
        return read_tensor_file(Path(path), CheckpointError)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)
