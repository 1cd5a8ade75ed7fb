"""Load functions and classes of the user's own, named FILE.py:NAME, or package.module:NAME if installed."""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from instageo.errors import ConfigError


def is_user_code(name: str) -> bool:
    """Return whether a name has the form FILE.py:NAME or package.module:NAME."""
    location, _, attribute = name.rpartition(":")
    is_module = location.endswith(".py") or all(part.isidentifier() for part in location.split("."))
    return is_module and attribute.isidentifier()


def find_user_code(value: object) -> str | None:
    """Return the first name of user code in a setting: a name, or names with their parameters; None without any.

    Only users may name code, on the command line, in YAML of their own or in Python. A checkpoint may come from anyone.
    """
    names = value if isinstance(value, list | tuple | Mapping) else [value]
    return next((name for name in names if isinstance(name, str) and is_user_code(name)), None)


@functools.cache
def load_user_code(name: str, setting: str) -> Callable[..., Any]:
    """Load the function or class that FILE.py:NAME or package.module:NAME refers to.

    Args:
        name: FILE is relative to the working directory; a package is found as by `import`.
        setting: Setting that contains the name, for messages.

    Raises:
        ConfigError: The file or package does not exist, or contains nothing of that name that can be called.
    """
    location, _, attribute = name.rpartition(":")
    module = _load_file(name, setting) if location.endswith(".py") else _import_module(name, setting)
    loaded = getattr(module, attribute, None)
    if not callable(loaded):
        raise ConfigError(f"{location}: has no function '{attribute}'; write it, or correct {setting}")
    return loaded  # type: ignore[no-any-return]


def _load_file(name: str, setting: str) -> ModuleType:
    path = Path(name.rpartition(":")[0]).expanduser()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"{setting}={name} names no Python file; expected FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _import_module(name: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(name.rpartition(":")[0])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{setting}={name}: package {error.name} is not installed; install it, or correct the setting"
        ) from error
