"""Open the store at a folder or URL."""

from functools import lru_cache

from instageo.extras import required_by
from instageo.locations import is_remote
from instageo.stores.base import Store


@lru_cache(maxsize=64)
def open_store(url: str) -> Store:
    """Return the store of the files below a folder or URL.

    Raises:
        StoreError: The URL has no bucket or host, or an unknown scheme.
        MissingExtraError: A package for this scheme is not installed.
    """
    if is_remote(url):
        with required_by(f"{url.partition('://')[0]}://", "registry"):
            from instageo.stores.cloud import open_object_store
        return open_object_store(url)
    from instageo.stores.folder import FolderStore

    return FolderStore(url)
