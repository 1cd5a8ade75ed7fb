"""Augmentations of the user's own, named FILE.py:FUNCTION."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.augmentations.random_state import Augmentation, RandomState
from instageo.model.chips.sample import Sample
from instageo.model.user_code import load_user_code


@functools.cache
def load_user_augmentation(name: str) -> Augmentation:
    """Load the function FILE.py:FUNCTION, with a check of what it returns; FILE is relative to the working directory.

    Raises:
        ConfigError: The file does not exist, or contains no such function.
    """
    function = load_user_code(name, "dataloader.augmentations.own")
    return _check_results(name, function)


def check_user_augmentation(name: str, parameters: Mapping[str, Any]) -> None:
    """Check that a user's function exists and takes these parameters.

    Raises:
        ConfigError: It does not.
    """
    signature = inspect.signature(load_user_augmentation(name))
    try:
        signature.bind("batch", "rng", **parameters)
    except TypeError as error:
        raise ConfigError(f"{name}{signature} does not accept the parameters {dict(parameters)}: {error}") from error


def _check_results(name: str, function: Callable[..., Any]) -> Augmentation:
    """Wrap a function to raise an error if it returns anything but a batch of the same shapes and types."""

    @functools.wraps(function)
    def checked(batch: Sample, rng: RandomState, **parameters: Any) -> Sample:
        changed = function(batch, rng, **parameters)
        if not isinstance(changed, Sample):
            raise ConfigError(f"{name}: returned {type(changed).__name__}; expected the batch as a Sample")
        for part in ("image", "valid", "label"):
            returned, expected = _describe(getattr(changed, part)), _describe(getattr(batch, part))
            if returned != expected:
                raise ConfigError(f"{name}: returned {part} {returned}; expected {expected}, as in the given batch")
        return changed

    return checked


def _describe(tensor: Tensor | None) -> str:
    return "None" if tensor is None else f"{tuple(tensor.shape)} {tensor.dtype}"
