"""Version numbers, MAJOR.MINOR.PATCH, and what of them a name may ask for."""

import re
from dataclasses import dataclass

from instageo.errors import RegistryError

_NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_BEGINNING = re.compile(r"\d+(\.\d+){0,2}")
STEPS = ("major", "minor", "patch")


@dataclass(frozen=True, order=True)
class SemVer:
    """A version number, by semver.org without its additions.

    Attributes:
        major: Counts changes that users must follow.
        minor: Counts improvements.
        patch: Counts repairs.
    """

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def starts_with(self, beginning: str) -> bool:
        """Whether it is one of the versions `1` or `1.2`, or is `1.2.3`."""
        return f"{self}.".startswith(f"{beginning}.")

    def next(self, step: str) -> "SemVer":
        """The one after it.

        Args:
            step: One of STEPS.
        """
        following = {
            "major": SemVer(self.major + 1, 0, 0),
            "minor": SemVer(self.major, self.minor + 1, 0),
            "patch": SemVer(self.major, self.minor, self.patch + 1),
        }
        return following[step]


def parse_version(text: object) -> SemVer:
    """A number from its text.

    Raises:
        RegistryError: It is none.
    """
    found = _NUMBER.fullmatch(str(text))
    if not found:
        raise RegistryError(
            f"'{text}' is no version number; expected MAJOR.MINOR.PATCH such as 1.2.0 (in quotes in YAML)"
        )
    return SemVer(*(int(part) for part in found.groups()))


def is_version_prefix(text: str) -> bool:
    """Whether it asks for versions by number (`1`, `1.2`, `1.2.3`) rather than by alias."""
    return bool(_BEGINNING.fullmatch(text))
