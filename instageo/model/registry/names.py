"""Names of models in a registry: `registry:sen1floods/tiny@1.2`."""

import re
from dataclasses import dataclass

from instageo.errors import RegistryError

PREFIX = "registry:"
"""Beginning that distinguishes such a name from a path."""

LATEST = "latest"
"""The alias of a name without a version."""

_PART = r"([A-Za-z0-9][A-Za-z0-9_.-]*)"
_NAME = re.compile(f"{_PART}(?:/{_PART})?(?:@{_PART})?")


@dataclass(frozen=True)
class ModelName:
    """Name of a model in a registry.

    Attributes:
        model: Key or short name.
        size: None for a model that has only one size.
        version: An alias, a version number, or its beginning.
    """

    model: str
    size: str | None
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.model}{f'/{self.size}' if self.size else ''}@{self.version}"


def is_registry_name(text: object) -> bool:
    """Return whether a text names a model in a registry rather than a file."""
    return str(text).startswith(PREFIX)


def parse_name(text: str) -> ModelName:
    """Parse a name, with or without `registry:`.

    Raises:
        RegistryError: The text is not such a name.
    """
    match = _NAME.fullmatch(text.removeprefix(PREFIX))
    if not match:
        raise RegistryError(f"'{text}' is not a model's name; expected model/size@version such as sen1floods/tiny@1.2")
    return ModelName(match[1], match[2], match[3] or LATEST)
