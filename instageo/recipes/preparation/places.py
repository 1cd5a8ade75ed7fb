"""List the files of public places, with what is known of their size and content."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from instageo.extras import required_by
from instageo.model.backbones.hub import is_reachable
from instageo.model.registry.published_paths import is_published_path
from instageo.recipes.definition.recipe import Place, RecipeError
from instageo.stores.base import split_url
from instageo.stores.open import open_store
from instageo.wording import counted

HUB = "https://huggingface.co"
"""Hugging Face, unless `$HF_ENDPOINT` names another server."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        url: Its location.
        path: Where it goes, relative to the folder of the recipe.
        size: Its bytes.
        sha256: The hash of its content, if the place or the recipe states it.
        version: The place's identifier of the content; empty if it has none.
    """

    url: str
    path: str
    size: int
    sha256: str | None = None
    version: str = ""


def list_place(place: Place) -> list[RemoteFile]:
    """Return the files of a place that the recipe asks for.

    Raises:
        RecipeError: No file matches, or a file has a name that cannot be used.
        StoreError: The place cannot be read.
    """
    is_hub = place.url.startswith("hf://")
    if place.files:
        return [_named_file(place, number) for number in range(len(place.files))]
    listed = list(_list_hub(place) if is_hub else _list_store(place))
    files = [file for file in listed if any(fnmatch(file.path, pattern) for pattern in place.match)]
    if not files:
        raise RecipeError(
            f"{place.url}: none of its {counted(len(listed), 'file')} matches {', '.join(place.match)}"
            f"{_examples(listed)}; the place is not what the recipe expects"
        )
    return [_placed(place, file) for file in files]


def _placed(place: Place, file: RemoteFile) -> RemoteFile:
    if not is_published_path(file.path):
        raise RecipeError(f"{place.url}: has a file '{file.path}', whose name cannot be used; expected a plain path")
    path = file.path if place.to == "." else f"{place.to}/{file.path}"
    return RemoteFile(file.url, path, file.size, file.sha256, file.version)


def _named_file(place: Place, number: int) -> RemoteFile:
    """Return a file that the recipe names, with its size from the store."""
    file = place.files[number]
    url = f"{_hub_url(place) if place.url.startswith('hf://') else place.url}/{file.path}"
    folder, name = split_url(url)
    info = open_store(folder).stat(name)
    if file.size is not None and file.size != info.size:
        raise RecipeError(f"{url}: has {info.size} bytes, but the recipe says {file.size}; the file was replaced")
    return _placed(place, RemoteFile(url, file.path, info.size, file.sha256, info.etag))


def _list_store(place: Place) -> Iterator[RemoteFile]:
    for path, info in open_store(place.url).list_files():
        yield RemoteFile(f"{place.url}/{path}", path, info.size, version=info.etag)


def _list_hub(place: Place) -> Iterator[RemoteFile]:
    """List a data set at Hugging Face, whose listing has the sha256 of large files."""
    with required_by("hf://", "model"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
        from huggingface_hub.hf_api import RepoFile
    repository, _, revision = place.url.removeprefix("hf://datasets/").partition("@")
    if not is_reachable(hub_endpoint()):
        raise RecipeError(
            f"{place.url}: {hub_endpoint()} cannot be reached; check the address, the network and proxies"
        )
    errors: tuple[type[BaseException], ...] = (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError)
    try:
        entries = list(
            HfApi(endpoint=hub_endpoint()).list_repo_tree(
                repository, recursive=True, revision=revision or None, repo_type="dataset"
            )
        )
    except (*errors, *_http_errors()) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecipeError(f"{place.url}: cannot be listed at {hub_endpoint()} ({reason}); check the network") from error
    for entry in entries:
        if isinstance(entry, RepoFile):
            sha256 = entry.lfs.sha256 if entry.lfs else None
            yield RemoteFile(f"{_hub_url(place)}/{entry.path}", entry.path, entry.size, sha256, entry.blob_id)


def _http_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the HTTP client that the hub's package has imported, which are no `OSError`."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)


def hub_endpoint() -> str:
    """Return the URL of Hugging Face, or that of `$HF_ENDPOINT`."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _hub_url(place: Place) -> str:
    repository, _, revision = place.url.removeprefix("hf://datasets/").partition("@")
    return f"{hub_endpoint()}/datasets/{repository}/resolve/{revision or 'main'}"


def _examples(files: list[RemoteFile]) -> str:
    names = [Path(file.path).name for file in files[:3]]
    return f" (such as {', '.join(names)})" if names else ""
