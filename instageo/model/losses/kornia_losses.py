"""Losses that kornia brings; it takes a second to import, so only runs that ask for one pay for it."""

import importlib
from collections.abc import Callable

from torch import Tensor

from instageo.errors import MissingExtraError


def from_kornia(name: str) -> Callable[..., Tensor]:
    """A function of `kornia.losses`.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    try:
        losses = importlib.import_module("kornia.losses")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this train.loss needs the package {error.name}; install the extra: pip install 'instageo-model[model]'"
        ) from error
    found: Callable[..., Tensor] = getattr(losses, name)
    return found
