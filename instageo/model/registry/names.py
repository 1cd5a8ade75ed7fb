"""Names of models in a registry: `registry:sen1floods/tiny@1.2`."""

import re
from dataclasses import dataclass

from instageo.errors import RegistryError
from instageo.model.registry.manifest import LATEST

PREFIX = "registry:"
"""What tells such a name from a path."""

_PART = r"([A-Za-z0-9][A-Za-z0-9_.-]*)"
_NAME = re.compile(f"{_PART}(?:/{_PART})?(?:@{_PART})?")


@dataclass(frozen=True)
class ModelName:
    """A model that is asked for.

    Attributes:
        model: Key or short name.
        size: None where the model has one size only.
        version: An alias, a version number, or its beginning.
    """

    model: str
    size: str | None
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.model}{f'/{self.size}' if self.size else ''}@{self.version}"


def is_registry_name(text: object) -> bool:
    """Whether it names a model in a registry rather than a file."""
    return str(text).startswith(PREFIX)


def parse_name(text: str) -> ModelName:
    """A name from its text, with or without `registry:`.

    Raises:
        RegistryError: It is none.
    """
    found = _NAME.fullmatch(text.removeprefix(PREFIX))
    if not found:
        raise RegistryError(f"'{text}' names no model; expected model/size@version such as sen1floods/tiny@1.2")
    return ModelName(found[1], found[2], found[3] or LATEST)
