"""The contents of a registry: models, their sizes, versions and aliases."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instageo.errors import RegistryError, did_you_mean
from instageo.model.registry.names import LATEST
from instageo.model.registry.version_numbers import has_prefix, is_version_prefix

if TYPE_CHECKING:
    from semver import Version


@dataclass(frozen=True)
class FileChecksum:
    """Size and hash of a published file.

    Attributes:
        size: Bytes.
        sha256: Hash of the content, hexadecimal.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model in one size, which never changes.

    Attributes:
        number: None for a published model without versions; the rest of its attributes, except its folder, is empty.
        folder: URL of the folder with its files.
        files: Checksums by path below the folder.
        metadata: All other keys of the manifest: created, licence, metrics, data_fingerprint, teacher, num_params,
            gflops, energy_kwh, git_revision, …
    """

    number: "Version | None"
    folder: str
    files: Mapping[str, FileChecksum] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSize:
    """A model in one size.

    Attributes:
        name: Such as `tiny`.
        num_params: Number of parameters as written in the manifest.
        versions: By number, the lowest first; at least one.
        aliases: Version number by name.
    """

    name: str
    num_params: str
    versions: tuple[ModelVersion, ...]
    aliases: Mapping[str, "Version"] = field(default_factory=dict)

    def find_version(self, name: str) -> ModelVersion:
        """Return the version of an alias, or the newest one whose number begins with `name`.

        Raises:
            RegistryError: The size has no such version.
        """
        if name in self.aliases:
            return next(version for version in self.versions if version.number == self.aliases[name])
        if name == LATEST:
            return self.versions[-1]
        matches = [version for version in self.versions if version.number and has_prefix(version.number, name)]
        if matches and is_version_prefix(name):
            return matches[-1]
        numbers = [str(version.number) for version in self.versions if version.number]
        available = list(dict.fromkeys([*numbers, LATEST, *self.aliases]))
        raise RegistryError(
            f"size {self.name} has no version '{name}'; available: {', '.join(available)}"
            f"{did_you_mean(name, available)}"
        )


@dataclass(frozen=True)
class RegisteredModel:
    """A model of a registry.

    Attributes:
        key: Its name in the manifest.
        short_name: Another name.
        task: segmentation, regression, …
        title: Name for readers.
        description: Text for readers.
        classes: Name by class; empty for regressions.
        data_source: Sensor or data set.
        num_dates: Dates per chip.
        sizes: By name.
    """

    key: str
    short_name: str
    task: str
    title: str
    description: str
    classes: Mapping[int, str]
    data_source: str
    num_dates: int
    sizes: Mapping[str, ModelSize]

    def find_size(self, name: str | None) -> ModelSize:
        """Return a size by name; without a name, the only one.

        Raises:
            RegistryError: The model has no such size, or several and no name is given.
        """
        if name is None and len(self.sizes) == 1:
            return next(iter(self.sizes.values()))
        if name is None:
            names = ", ".join(f"{self.key}/{size}" for size in self.sizes)
            raise RegistryError(f"{self.key} has several sizes; choose one of {names}")
        if name not in self.sizes:
            raise RegistryError(
                f"{self.key} has no size '{name}'; available: {', '.join(self.sizes)}{did_you_mean(name, self.sizes)}"
            )
        return self.sizes[name]


@dataclass(frozen=True)
class Manifest:
    """A registry's manifest.

    Attributes:
        url: Where it was read.
        models: By key.
    """

    url: str
    models: Mapping[str, RegisteredModel]

    def find_model(self, name: str) -> RegisteredModel:
        """Return a model by its key or short name.

        Raises:
            RegistryError: The registry has no such model.
        """
        if name in self.models:
            return self.models[name]
        for model in self.models.values():
            if model.short_name == name:
                return model
        raise RegistryError(
            f"{self.url}: has no model '{name}'; available: {', '.join(self.models) or 'none yet'}"
            f"{did_you_mean(name, self.models)}"
        )


def sort_versions(versions: Iterable[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Return numbered versions, the lowest first."""
    numbered = [(version.number, version) for version in versions if version.number is not None]
    return tuple(version for _, version in sorted(numbered, key=lambda pair: pair[0]))
