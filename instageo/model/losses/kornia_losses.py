"""Losses from kornia, which is imported only if one of them is used, since the import takes a second."""

import importlib
from collections.abc import Callable

from torch import Tensor

from instageo.extras import required_by


def import_kornia_loss(name: str) -> Callable[..., Tensor]:
    """Import a function of `kornia.losses`.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    with required_by("this train.loss", "model"):
        losses = importlib.import_module("kornia.losses")
    loss: Callable[..., Tensor] = getattr(losses, name)
    return loss
