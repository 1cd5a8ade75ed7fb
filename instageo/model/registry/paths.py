"""What the environment says of registries: which one, where models go, and whether stores may be asked."""

import os
from pathlib import Path

from instageo.errors import RegistryError

REGISTRY, MODELS, OFFLINE = "MODELS_REGISTRY_PATH", "MODELS_PATH", "INSTAGEO_OFFLINE"


def registry_url(given: str | None = None) -> str:
    """The manifest's URL: the one given, else `$MODELS_REGISTRY_PATH`.

    Raises:
        RegistryError: Neither is there.
    """
    url = given or os.environ.get(REGISTRY)
    if not url:
        raise RegistryError(f"no registry is named; set {REGISTRY} to the URL of its registry.yaml, or give --registry")
    return url


def models_folder(given: str | Path | None = None) -> Path:
    """Where models are kept: the folder given, else `$MODELS_PATH`, else `models` in the cache of this program."""
    cache = os.environ.get("INSTAGEO_CACHE") or Path.home() / ".cache" / "instageo"
    return Path(given or os.environ.get(MODELS) or Path(cache) / "models").expanduser()


def offline(given: bool = False) -> bool:
    """Whether stores are left alone: if asked, or if `$INSTAGEO_OFFLINE` is 1, true, yes or on."""
    return given or os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes", "on")
