"""Augmentations that users bring in a Python file of their own, named FILE.py:FUNCTION."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.augmentations.random_draw import Augmentation, RandomState
from instageo.model.chips.sample import Sample
from instageo.model.user_code import load_user_code


@functools.cache
def load_user_augmentation(name: str) -> Augmentation:
    """The function that FILE.py:FUNCTION names; FILE is relative to where the command runs. Its results are checked.

    Raises:
        ConfigError: There is no such file, or no such function in it.
    """
    return _checked(name, load_user_code(name, "dataloader.augmentations.own"))


def check_user_augmentation(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a function of the user's that does not exist or does not take these parameters.

    Raises:
        ConfigError: It says what is wrong.
    """
    signature = inspect.signature(load_user_augmentation(name))
    try:
        signature.bind("batch", "draw", **parameters)
    except TypeError as error:
        raise ConfigError(f"{name}{signature} does not fit its settings {dict(parameters)}: {error}") from error


def _checked(name: str, function: Callable[..., Any]) -> Augmentation:
    """The function, refusing results that are no batch of the same shapes and types."""

    @functools.wraps(function)
    def call(batch: Sample, draw: RandomState, **parameters: Any) -> Sample:
        changed = function(batch, draw, **parameters)
        if not isinstance(changed, Sample):
            raise ConfigError(f"{name}: returned {type(changed).__name__}; expected the batch, a changed Sample")
        for part in ("image", "valid", "label"):
            got, expected = _form(getattr(changed, part)), _form(getattr(batch, part))
            if got != expected:
                raise ConfigError(f"{name}: returned {part} {got}; expected {expected}, as it came in")
        return changed

    return call


def _form(tensor: Tensor | None) -> str:
    return "None" if tensor is None else f"{tuple(tensor.shape)} {tensor.dtype}"
