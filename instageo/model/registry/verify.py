"""Check that local models and the files of a registry are as published."""

from collections.abc import Iterator
from pathlib import Path

from instageo.model.registry.local_models import UNVERSIONED, LocalModel, find_local_models
from instageo.model.registry.manifest import ModelVersion
from instageo.model.registry.registry import Registry
from instageo.stores.base import StoreError, split_url
from instageo.stores.open import open_store


def verify_local_models(folder: Path) -> tuple[list[LocalModel], list[str]]:
    """Read every file of every local model below a folder.

    Returns:
        The models, and the problems: files that are missing, changed, or only partly downloaded.
    """
    models, problems = find_local_models(folder)
    problems += [problem for model in models for problem in model.find_problems()]
    partial = [f"{part}: is only partly downloaded; pull resumes it" for part in sorted(folder.rglob("*.part"))]
    return models, problems + partial


def verify_registry(registry: Registry) -> tuple[int, list[str]]:
    """Check that every file of every version exists in its store with the right size, without downloading any.

    Returns:
        Number of files that do, and the problems.
    """
    count, problems = 0, []
    for name, version in _named_versions(registry):
        for path, checksum in version.files.items():
            folder, file = split_url(f"{version.folder}/{path}")
            try:
                size = open_store(folder).stat(file).size
            except StoreError as error:
                problems.append(f"{name}: {error}")
                continue
            if size == checksum.size:
                count += 1
            else:
                problems.append(f"{name}: {folder}/{file} has {size} bytes, but the registry says {checksum.size}")
        if version.number is None:
            problems.append(f"{name}: has no versions and no checksums, so its files cannot be verified")
    return count, problems


def _named_versions(registry: Registry) -> Iterator[tuple[str, ModelVersion]]:
    for model in registry.manifest.models.values():
        for size in model.sizes.values():
            for version in size.versions:
                yield f"{model.key}/{size.name}@{version.number or UNVERSIONED}", version
