"""Augmentations that users bring in a Python file of their own, named FILE.py:FUNCTION."""

import functools
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.augmentations.draw import Augmentation, Draw
from instageo.model.sample import Sample


@functools.cache
def load_own(name: str) -> Augmentation:
    """The function that FILE.py:FUNCTION names; FILE is relative to where the command runs. Its results are checked.

    Raises:
        ConfigError: There is no such file, or no such function in it.
    """
    file, _, called = name.rpartition(":")
    path = Path(file).expanduser()
    spec = importlib.util.spec_from_file_location(path.stem, path) if path.suffix == ".py" else None
    if not path.is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"the augmentation {name} names no Python file; expected FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, called, None)
    if not callable(function):
        raise ConfigError(f"{path}: has no function '{called}'; write it, or correct dataloader.augmentations.own")
    return _checked(name, function)


def check_own(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a function of the user's that does not exist or does not take these parameters.

    Raises:
        ConfigError: It says what is wrong.
    """
    signature = inspect.signature(load_own(name))
    try:
        signature.bind("batch", "draw", **parameters)
    except TypeError as error:
        raise ConfigError(f"{name}{signature} does not fit its settings {dict(parameters)}: {error}") from error


def _checked(name: str, function: Callable[..., Any]) -> Augmentation:
    """The function, refusing results that are no batch of the same shapes and types."""

    @functools.wraps(function)
    def call(batch: Sample, draw: Draw, **parameters: Any) -> Sample:
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
