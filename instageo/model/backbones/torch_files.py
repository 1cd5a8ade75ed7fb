"""Files of tensors, read without running code from them."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from instageo.errors import InstaGeoError

METADATA_KEY = "instageo"
"""Key of a checkpoint under which this program keeps what it says of it, as plain types."""


def read_tensor_file(file: Path, error: type[InstaGeoError]) -> dict[str, Any]:
    """The dictionary in a `.pt`, `.ckpt` or `.safetensors` file.

    Args:
        file: Must exist.
        error: What to raise.

    Raises:
        InstaGeoError: Of the given kind: it is no such file, holds objects that could run code, or no dictionary.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(file))
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as refused:
        raise error(
            f"{file}: is no PyTorch file of plain tensors, or holds objects that could run code; it was not loaded"
        ) from refused
    except (RuntimeError, EOFError, ValueError, OSError, KeyError) as broken:
        raise error(f"{file}: is no PyTorch file of plain tensors, or a damaged one; fetch or make it anew") from broken
    if not isinstance(content, Mapping):
        raise error(f"{file}: holds a {type(content).__name__}; expected a dictionary of tensors")
    return dict(content)
