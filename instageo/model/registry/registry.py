"""A registry: its manifest read, found in, and changed without treading on others' changes."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.locations import hide_secrets
from instageo.model.registry.manifest import Manifest, ModelSize, ModelVersion, RegisteredModel
from instageo.model.registry.names import ModelName
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.paths import models_folder, offline
from instageo.model.registry.yaml_io import dump_yaml
from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError, split_url
from instageo.stores.open import open_store

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""How often a change is tried anew because others changed the manifest meanwhile."""

EMPTY: dict[str, Any] = {"models": {}}


@dataclass(frozen=True)
class Registry:
    """A registry as read.

    Attributes:
        manifest: What it holds.
    """

    manifest: Manifest

    @property
    def url(self) -> str:
        """Of its manifest."""
        return self.manifest.url

    @property
    def root(self) -> str:
        """The folder that its manifest lies in."""
        return split_url(self.url)[0]

    def find(self, name: ModelName) -> tuple[RegisteredModel, ModelSize, ModelVersion]:
        """What a name stands for.

        Raises:
            RegistryError: It has no such model, size or version.
        """
        model = self.manifest.model(name.model)
        size = model.size(name.size)
        return model, size, size.find(name.version)


def open_registry(url: str, *, alone: bool = False, folder: Path | None = None) -> Registry:
    """Read a registry's manifest; a copy stays beside the models for times without network.

    Args:
        url: Of the manifest.
        alone: Read the copy and ask no store.
        folder: Where models are kept; see `models_folder`.

    Raises:
        StoreError: It cannot be had.
        RegistryError: It is no manifest, or none was read before and stores are not to be asked.
    """
    kept = models_folder(folder) / ".manifests" / f"{sha256(url.encode()).hexdigest()[:16]}.yaml"
    place, name = split_url(url)
    if offline(alone):
        if not kept.is_file():
            raise RegistryError(f"{url}: was never read on this machine, and stores are not to be asked (offline)")
        return Registry(parse_manifest(kept.read_bytes(), url)[0])
    try:
        data = open_store(place).read(name).data
    except MissingFileError:
        raise
    except StoreError as error:
        hint = "; INSTAGEO_OFFLINE=1 uses what was fetched before" if kept.is_file() else ""
        raise StoreError(f"{error}{hint}") from error
    manifest, _ = parse_manifest(data, url)
    _keep(kept, data)
    return Registry(manifest)


def change_manifest(url: str, edit: Callable[[dict[str, Any], Manifest], None], *, new: bool = False) -> Registry:
    """Change a manifest: read it, edit it, and write it where nobody has changed it meanwhile; else all of it again.

    Args:
        url: Of the manifest.
        edit: Changes the plain values in place. It sees the newest ones each time, and raises where it no longer fits.
        new: Begin one where there is none.

    Raises:
        RegistryError: `edit` refused, the result is no manifest, or others change it all the time.
        StoreError: It cannot be had or written.
    """
    place, name = split_url(url)
    store = open_store(place)
    for attempt in range(ATTEMPTS):
        try:
            try:
                found = store.read(name)
            except MissingFileError:
                if not new:
                    raise
                plain = _edited(dump_yaml(EMPTY), url, edit)
                store.create(name, plain)
            else:
                plain = _edited(found.data, url, edit)
                store.replace(name, plain, found.tag)
        except (ChangedError, ExistsError):
            log.info("%s: has been changed by somebody else meanwhile; applying the change anew", hide_secrets(url))
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))  # noqa: S311
            continue
        return Registry(parse_manifest(plain, url)[0])
    raise RegistryError(f"{url}: is changed by others all the time; nothing was changed by this; try again later")


def _edited(data: bytes, url: str, edit: Callable[[dict[str, Any], Manifest], None]) -> bytes:
    manifest, plain = parse_manifest(data, url)
    edit(plain, manifest)
    changed = dump_yaml(plain)
    parse_manifest(changed, url)  # nothing is written that could not be read
    return changed


def _keep(path: Path, data: bytes) -> None:
    """Keep a copy; where that is not possible, there is none."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        log.info("%s: no copy of the manifest is kept: %s", path, error.strerror)
