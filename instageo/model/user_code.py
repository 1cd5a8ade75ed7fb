"""Code that users bring, named FILE.py:NAME, or package.module:NAME where it is installed."""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from instageo.errors import ConfigError


def is_user_code(name: str) -> bool:
    """Whether it has the form FILE.py:NAME or package.module:NAME."""
    place, _, called = name.rpartition(":")
    module = place.endswith(".py") or all(part.isidentifier() for part in place.split("."))
    return module and called.isidentifier()


@functools.cache
def load_user_code(name: str, setting: str) -> Callable[..., Any]:
    """The function or class that a name of that form stands for.

    Args:
        name: Its file is relative to where the command runs; its package is looked for as by `import`.
        setting: What to correct if there is no such thing.

    Raises:
        ConfigError: There is no such file or package, or nothing in it of that name that can be called.
    """
    place, _, called = name.rpartition(":")
    module = _from_file(name, setting) if place.endswith(".py") else _from_package(name, setting)
    found = getattr(module, called, None)
    if not callable(found):
        raise ConfigError(f"{place}: has no function '{called}'; write it, or correct {setting}")
    return found  # type: ignore[no-any-return]


def _from_file(name: str, setting: str) -> ModuleType:
    path = Path(name.rpartition(":")[0]).expanduser()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"{setting}={name} names no Python file; expected FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _from_package(name: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(name.rpartition(":")[0])
    except ModuleNotFoundError as error:
        raise ConfigError(f"{setting}={name}: there is no package {error.name}; install it, or correct it") from error
