"""What a registry holds: models, their sizes and versions, as values; who points where."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from instageo.errors import RegistryError
from instageo.model.registry.versions import SemVer, is_version_prefix

LATEST = "latest"
"""The alias that stands where a name says nothing of versions."""


@dataclass(frozen=True)
class FileChecksum:
    """What tells whether a file is what was published.

    Attributes:
        size: Bytes.
        sha256: Of its content, hexadecimal.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model in one size, which never changes.

    Attributes:
        number: None for a published model without versions, of which nothing is known but its folder.
        folder: URL of the folder that holds its files.
        files: Proofs by path below the folder.
        facts: What else is told of it: created, licence, metrics, data_fingerprint, teacher, num_params, gflops,
            energy_kwh, git_revision, …
    """

    number: SemVer | None
    folder: str
    files: Mapping[str, FileChecksum] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSize:
    """A model in one size.

    Attributes:
        name: Such as `tiny`.
        num_params: As the manifest tells it.
        versions: The lowest number first; at least one.
        aliases: Version number by name.
    """

    name: str
    num_params: str
    versions: tuple[ModelVersion, ...]
    aliases: Mapping[str, SemVer] = field(default_factory=dict)

    def find(self, asked: str) -> ModelVersion:
        """The newest version that an alias, a number or its beginning stands for.

        Raises:
            RegistryError: There is none.
        """
        if asked in self.aliases:
            return next(version for version in self.versions if version.number == self.aliases[asked])
        if asked == LATEST:
            return self.versions[-1]
        fitting = [version for version in self.versions if version.number and version.number.starts_with(asked)]
        if fitting and is_version_prefix(asked):
            return fitting[-1]
        known = [*(str(version.number) for version in self.versions if version.number), *{LATEST: 0, **self.aliases}]
        raise RegistryError(
            f"size {self.name} has no version '{asked}'; it has {', '.join(known)}{_nearest(asked, known)}"
        )


@dataclass(frozen=True)
class RegisteredModel:
    """A model as published.

    Attributes:
        key: Its name in the manifest.
        short_name: Another name.
        kind: Task: segmentation, regression, …
        name: For people.
        description: For people.
        classes: Name by class; empty for regressions.
        data_source: Sensor or data set.
        temporal_step: Dates per chip.
        sizes: By name.
    """

    key: str
    short_name: str
    kind: str
    name: str
    description: str
    classes: Mapping[int, str]
    data_source: str
    temporal_step: int
    sizes: Mapping[str, ModelSize]

    def size(self, name: str | None) -> ModelSize:
        """A size by name; the only one if none is named.

        Raises:
            RegistryError: There is no such size, or there are several and none is named.
        """
        if name is not None and name in self.sizes:
            return self.sizes[name]
        if name is None and len(self.sizes) == 1:
            return next(iter(self.sizes.values()))
        sizes = ", ".join(self.sizes)
        if name is None:
            raise RegistryError(
                f"{self.key} comes in several sizes; name one: {', '.join(f'{self.key}/{n}' for n in self.sizes)}"
            )
        raise RegistryError(f"{self.key} has no size '{name}'; it has {sizes}{_nearest(name, self.sizes)}")


@dataclass(frozen=True)
class Manifest:
    """A registry's manifest.

    Attributes:
        url: Where it was read.
        models: By key.
    """

    url: str
    models: Mapping[str, RegisteredModel]

    def model(self, name: str) -> RegisteredModel:
        """A model by its key or short name.

        Raises:
            RegistryError: There is none.
        """
        found = self.models.get(name) or next((m for m in self.models.values() if m.short_name == name), None)
        if found is None:
            known = list(self.models)
            raise RegistryError(
                f"{self.url}: has no model '{name}'; it has {', '.join(known) or 'none yet'}{_nearest(name, known)}"
            )
        return found


def sort_versions(versions: Iterable[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Versions by number, the lowest first."""
    key: Callable[[ModelVersion], SemVer] = lambda version: version.number or SemVer(0, 0, 0)  # noqa: E731
    return tuple(sorted(versions, key=key))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
