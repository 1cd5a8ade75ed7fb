"""Locations of the registry and of local models, from the environment."""

import os
from pathlib import Path

from instageo.errors import RegistryError
from instageo.locations import user_cache

REGISTRY, MODELS, OFFLINE = "MODELS_REGISTRY_PATH", "MODELS_PATH", "INSTAGEO_OFFLINE"


def registry_url(url: str | None = None) -> str:
    """Return the manifest's URL: the argument, else `$MODELS_REGISTRY_PATH`.

    Raises:
        RegistryError: Neither is set.
    """
    url = url or os.environ.get(REGISTRY)
    if not url:
        raise RegistryError(f"no registry is given; set {REGISTRY} to the URL of its registry.yaml, or use --registry")
    return url


def models_folder(folder: str | Path | None = None) -> Path:
    """Return the folder of local models: the argument, else `$MODELS_PATH`, else `models` in the user's cache."""
    return Path(folder or os.environ.get(MODELS) or user_cache() / "models").expanduser()


def is_offline(requested: bool = False) -> bool:
    """Return whether to access no store: if requested, or if `$INSTAGEO_OFFLINE` is 1, true, yes or on."""
    return requested or os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes", "on")
