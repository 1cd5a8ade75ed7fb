"""Whether files are what was published: those on this machine, and those in a registry."""

from collections.abc import Iterator
from pathlib import Path

from instageo.model.registry.local_models import LocalModel, find_local_models
from instageo.model.registry.manifest import ModelVersion
from instageo.model.registry.registry import Registry
from instageo.stores.base import StoreError, split_url
from instageo.stores.open import open_store


def verify_local_models(folder: Path) -> tuple[list[LocalModel], list[str]]:
    """Read every file of every fetched model below a folder.

    Returns:
        The models, and what is wrong: files that are missing, changed, or were left half-fetched.
    """
    copies = list(find_local_models(folder))
    faults = [fault for copy in copies for fault in copy.faults()]
    halves = [f"{part}: was not fetched to its end; pull goes on with it" for part in sorted(folder.rglob("*.part"))]
    return copies, faults + halves


def verify_registry(registry: Registry) -> tuple[int, list[str]]:
    """Ask the stores for every file of every version, without fetching any.

    Returns:
        Files that are there, and what is wrong with others.
    """
    there, faults = 0, []
    for name, version in _versions(registry):
        for path, proof in version.files.items():
            place, file = split_url(f"{version.folder}/{path}")
            try:
                size = open_store(place).facts(file).size
            except StoreError as error:
                faults.append(f"{name}: {error}")
                continue
            if size == proof.size:
                there += 1
            else:
                faults.append(f"{name}: {version.folder}/{path} has {size} bytes, the registry says {proof.size}")
        if version.number is None:
            faults.append(f"{name}: has no versions and no checksums, so that nothing vouches for its files")
    return there, faults


def _versions(registry: Registry) -> Iterator[tuple[str, ModelVersion]]:
    for model in registry.manifest.models.values():
        for size in model.sizes.values():
            for version in size.versions:
                yield f"{model.key}/{size.name}@{version.number or 'unversioned'}", version
