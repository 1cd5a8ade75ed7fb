"""Version numbers MAJOR.MINOR.PATCH, and their prefixes in names of models."""

import re
from typing import TYPE_CHECKING

from instageo.errors import RegistryError
from instageo.extras import required_by

if TYPE_CHECKING:
    from semver import Version

_PREFIX = re.compile(r"\d+(\.\d+){0,2}")

PARTS = ("major", "minor", "patch")
"""Parts of a number: changes that users must follow, improvements, repairs."""


def parse_version(text: object) -> "Version":
    """Parse a number of semver.org, without labels for pre-releases and builds.

    Raises:
        RegistryError: The text is not such a number.
    """
    with required_by("a model registry", "registry"):
        from semver import Version
    number = Version.parse(str(text)) if Version.is_valid(str(text)) else None
    if number is None or number.prerelease or number.build:
        raise RegistryError(
            f"'{text}' is not a version number; expected MAJOR.MINOR.PATCH such as 1.2.0 (in quotes in YAML)"
        )
    return number


def next_version(number: "Version", part: str) -> "Version":
    """Return the number with one of PARTS counted up and the parts after it at 0.

    Raises:
        RegistryError: It is not one of PARTS.
    """
    if part not in PARTS:
        raise RegistryError(f"'{part}' is not a part of a version number; expected one of {', '.join(PARTS)}")
    return number.next_version(part)


def is_version_prefix(text: str) -> bool:
    """Return whether a text requests versions by number (`1`, `1.2`, `1.2.3`) rather than by alias."""
    return bool(_PREFIX.fullmatch(text))


def has_prefix(number: "Version", prefix: str) -> bool:
    """Return whether a number begins with `1` or `1.2`, or is `1.2.3`."""
    return f"{number}.".startswith(f"{prefix}.")
