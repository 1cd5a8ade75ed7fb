"""Files of tensors, read without running code that they contain."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from instageo.errors import InstaGeoError

METADATA_KEY = "instageo"
"""Key of a checkpoint under which this program keeps its metadata, as plain types."""


def read_tensor_file(file: Path, error: type[InstaGeoError]) -> dict[str, Any]:
    """Read the dictionary in a `.pt`, `.ckpt` or `.safetensors` file.

    Args:
        file: An existing file.
        error: Class of the error to raise.

    Raises:
        InstaGeoError: Of the class `error`: it is not such a file, holds objects that could run code, or does not hold
            a dictionary.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(file))
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as unsafe:
        raise error(
            f"{file}: not a PyTorch file of plain tensors, or holds objects that could run code; it was not loaded"
        ) from unsafe
    except (RuntimeError, EOFError, ValueError, OSError, KeyError) as damage:
        raise error(
            f"{file}: not a PyTorch file of plain tensors, or a damaged one; download or create it again"
        ) from damage
    if not isinstance(content, Mapping):
        raise error(f"{file}: holds a {type(content).__name__}; expected a dictionary of tensors")
    return dict(content)
