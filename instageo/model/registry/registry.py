"""A registry: read its manifest, find models in it, and change it safely while others do."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError, WriteError
from instageo.files import write_bytes
from instageo.locations import hide_secrets
from instageo.model.registry.manifest import Manifest, ModelSize, ModelVersion, RegisteredModel
from instageo.model.registry.names import ModelName
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.paths import is_offline, models_folder
from instageo.model.registry.yaml_io import update_yaml
from instageo.stores.base import ChangedError, ExistsError, MissingFileError, StoreError, split_url
from instageo.stores.open import open_store

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 20
"""A change is tried again at most this often if others change the manifest at the same time."""

EMPTY_MANIFEST = b"models: {}\n"


@dataclass(frozen=True)
class Registry:
    """A registry as read.

    Attributes:
        manifest: Its models.
    """

    manifest: Manifest

    @property
    def url(self) -> str:
        """URL of the manifest."""
        return self.manifest.url

    @property
    def root(self) -> str:
        """Folder of the manifest."""
        return split_url(self.url)[0]

    def find(self, name: ModelName) -> tuple[RegisteredModel, ModelSize, ModelVersion]:
        """Return the model, size and version of a name.

        Raises:
            RegistryError: The registry has no such model, size or version.
        """
        model = self.manifest.find_model(name.model)
        size = model.find_size(name.size)
        return model, size, size.find_version(name.version)


def open_registry(url: str, *, offline: bool = False, folder: Path | None = None) -> Registry:
    """Read a registry's manifest, and save a copy next to the local models for offline use.

    Args:
        url: URL of the manifest.
        offline: Whether to read the copy and access no store.
        folder: Folder of the local models; see `models_folder`.

    Raises:
        StoreError: The manifest cannot be read.
        RegistryError: It is not a manifest, or it has not been copied for offline use.
    """
    copy = models_folder(folder) / ".manifests" / f"{sha256(url.encode()).hexdigest()[:16]}.yaml"
    root, name = split_url(url)
    if is_offline(offline):
        if not copy.is_file():
            raise RegistryError(f"{url}: has never been read on this machine, and offline mode accesses no store")
        return Registry(parse_manifest(copy.read_bytes(), url)[0])
    try:
        data = open_store(root).read(name).data
    except MissingFileError:
        raise
    except StoreError as error:
        hint = "; set INSTAGEO_OFFLINE=1 to use the models on this machine" if copy.is_file() else ""
        raise StoreError(f"{error}{hint}") from error
    manifest, _ = parse_manifest(data, url)
    try:
        write_bytes(copy, data)
    except WriteError as error:
        log.info("no copy of the manifest is kept for offline use: %s", error)
    return Registry(manifest)


def change_manifest(url: str, edit: Callable[[dict[str, Any], Manifest], None], *, new: bool = False) -> Registry:
    """Read a manifest, edit it, and write it if nobody has changed it in the meantime; otherwise start again.

    Args:
        url: URL of the manifest.
        edit: Function that changes the YAML's plain values in place. It is called with the newest values on each
            attempt, and raises an error if it cannot be made any more.
        new: Whether to create a manifest if none exists.

    Raises:
        RegistryError: `edit` raised it, the result is not a manifest, or others keep changing the manifest.
        StoreError: The manifest cannot be read or written.
    """
    root, name = split_url(url)
    store = open_store(root)
    for attempt in range(MAX_ATTEMPTS):
        try:
            try:
                stored = store.read(name)
            except MissingFileError:
                if not new:
                    raise
                data, manifest = _apply_edit(EMPTY_MANIFEST, url, edit)
                store.create(name, data)
            else:
                data, manifest = _apply_edit(stored.data, url, edit)
                store.replace_if_match(name, data, stored.etag)
        except (ChangedError, ExistsError):
            log.info("%s: somebody else has just changed it; applying the change again", hide_secrets(url))
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))  # noqa: S311
            continue
        return Registry(manifest)
    raise RegistryError(f"{url}: others keep changing it, so nothing was changed; try again later")


def _apply_edit(data: bytes, url: str, edit: Callable[[dict[str, Any], Manifest], None]) -> tuple[bytes, Manifest]:
    """Return the edited YAML, and the manifest that it is parsed to: nothing is written that could not be read."""
    manifest, values = parse_manifest(data, url)
    edit(values, manifest)
    changed = update_yaml(data, values)
    return changed, parse_manifest(changed, url)[0]
