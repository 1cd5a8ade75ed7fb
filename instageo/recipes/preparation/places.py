"""List the files of download sources, with the sizes and checksums that they state."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from instageo.extras import required_by
from instageo.model.backbones.hub import is_reachable
from instageo.model.registry.published_paths import is_published_path
from instageo.recipes.definition.recipe import DownloadSource, RecipeError
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
        sha256: The hash of its content, if the source or the recipe states it.
        version: The source's identifier of the content, such as an ETag; empty if it has none.
    """

    url: str
    path: str
    size: int
    sha256: str | None = None
    version: str = ""


def list_place(source: DownloadSource) -> list[RemoteFile]:
    """Return the files of a source that the recipe asks for.

    Raises:
        RecipeError: No file matches, or a file has a name that cannot be used.
        StoreError: The source cannot be read.
    """
    is_hub = source.url.startswith("hf://")
    if source.files:
        return [_named_file(source, number) for number in range(len(source.files))]
    listed = list(_list_hub(source) if is_hub else _list_store(source))
    files = [file for file in listed if any(fnmatch(file.path, pattern) for pattern in source.match)]
    if not files:
        raise RecipeError(
            f"{source.url}: none of its {counted(len(listed), 'file')} matches {', '.join(source.match)}"
            f"{_examples(listed)}; the source does not hold what the recipe expects"
        )
    return [_to_destination(source, file) for file in files]


def _to_destination(source: DownloadSource, file: RemoteFile) -> RemoteFile:
    if not is_published_path(file.path):
        raise RecipeError(f"{source.url}: has a file '{file.path}', whose name cannot be used; expected a plain path")
    path = file.path if source.to == "." else f"{source.to}/{file.path}"
    return RemoteFile(file.url, path, file.size, file.sha256, file.version)


def _named_file(source: DownloadSource, number: int) -> RemoteFile:
    """Return a file that the recipe names, with its size from the store."""
    file = source.files[number]
    url = f"{_hub_url(source) if source.url.startswith('hf://') else source.url}/{file.path}"
    folder, name = split_url(url)
    info = open_store(folder).stat(name)
    if file.size is not None and file.size != info.size:
        raise RecipeError(f"{url}: has {info.size} bytes, but the recipe says {file.size}; the file was replaced")
    return _to_destination(source, RemoteFile(url, file.path, info.size, file.sha256, info.etag))


def _list_store(source: DownloadSource) -> Iterator[RemoteFile]:
    for path, info in open_store(source.url).list_files():
        yield RemoteFile(f"{source.url}/{path}", path, info.size, version=info.etag)


def _list_hub(source: DownloadSource) -> Iterator[RemoteFile]:
    """List a data set at Hugging Face, whose listing has the sha256 of large files."""
    with required_by("hf://", "model"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
        from huggingface_hub.hf_api import RepoFile
    repository, _, revision = source.url.removeprefix("hf://datasets/").partition("@")
    if not is_reachable(hub_endpoint()):
        raise RecipeError(
            f"{source.url}: {hub_endpoint()} cannot be reached; check the address, the network and proxies"
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
        raise RecipeError(
            f"{source.url}: cannot be listed at {hub_endpoint()} ({reason}); check the network"
        ) from error
    for entry in entries:
        if isinstance(entry, RepoFile):
            sha256 = entry.lfs.sha256 if entry.lfs else None
            yield RemoteFile(f"{_hub_url(source)}/{entry.path}", entry.path, entry.size, sha256, entry.blob_id)


def _http_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the HTTP client that the hub's package has imported, which are not `OSError`s."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)


def hub_endpoint() -> str:
    """Return the URL of Hugging Face, or that of `$HF_ENDPOINT`."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _hub_url(source: DownloadSource) -> str:
    repository, _, revision = source.url.removeprefix("hf://datasets/").partition("@")
    return f"{hub_endpoint()}/datasets/{repository}/resolve/{revision or 'main'}"


def _examples(files: list[RemoteFile]) -> str:
    names = [Path(file.path).name for file in files[:3]]
    return f" (such as {', '.join(names)})" if names else ""
