"""Open the store at a URL."""

from functools import lru_cache

from instageo.errors import MissingExtraError
from instageo.locations import is_remote
from instageo.stores.base import Store


@lru_cache(maxsize=64)
def open_store(url: str) -> Store:
    """The store below a folder or URL.

    Raises:
        StoreError: Its scheme is not known.
        MissingExtraError: A package that it takes is not installed.
    """
    if is_remote(url):
        try:
            from instageo.stores.cloud import open_object_store
        except ImportError as error:
            raise MissingExtraError(
                f"{url.partition('://')[0]}:// needs the package {error.name}; install the extra: "
                "pip install 'instageo-model[registry]'"
            ) from error
        return open_object_store(url)
    from instageo.stores.folder import FolderStore

    return FolderStore(url)
