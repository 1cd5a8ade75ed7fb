"""Download files from stores: in parallel, resumed after interruptions, checked before they get their name."""

import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from threading import Event
from typing import Any

from instageo.files import describe_disk_error
from instageo.locations import hide_secrets
from instageo.runtime.progress import transfer_progress
from instageo.stores.base import ChangedError, FileInfo, MissingFileError, RangesError, Store, StoreError, split_url
from instageo.stores.lock import file_lock
from instageo.stores.open import open_store
from instageo.stores.partial import PartialFile, ResumeInfo

log = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Advances the progress bar by a number of bytes."""

RANGE_SIZE = 2 << 20
"""Bytes per request."""

CONCURRENT_RANGES = 6
"""Requests at a time; as many more results wait to be written, so a file takes at most 24 MB of memory."""

CONCURRENT_FILES = 2


@dataclass(frozen=True)
class DownloadRequest:
    """A file to download.

    Attributes:
        url: Its location in a store.
        path: Where to write it.
        size: Its bytes, if known.
        sha256: The hash of its content in hexadecimal, if known.
        etag: The store's identifier of the content that `path` has already; the same content is not fetched again.
        listed: Whether `size` is from a listing of the store, so that the store is not asked for it again.
        version: Identifier of the content in that listing; a part of another version is not continued.
        published_by: Where `size` and `sha256` are published, for messages.
    """

    url: str
    path: Path
    size: int | None = None
    sha256: str | None = None
    etag: str | None = None
    listed: bool = False
    version: str = ""
    published_by: str = "the registry"


@dataclass(frozen=True)
class _Download:
    """A file to download, with its store and its metadata there."""

    request: DownloadRequest
    store: Store
    name: str
    info: FileInfo

    @property
    def resume_info(self) -> ResumeInfo:
        return ResumeInfo(hide_secrets(self.request.url), self.info.size, self.info.etag or self.request.version)


def download_files(
    requests: Sequence[DownloadRequest],
    *,
    concurrent_files: int = CONCURRENT_FILES,
    on_finished: Callable[[DownloadRequest], None] | None = None,
) -> dict[Path, FileInfo]:
    """Download files; each has its name only if it is whole and correct.

    Args:
        requests: The files.
        concurrent_files: Number of files at a time; many small files need more than a few large ones.
        on_finished: Called for each file that is whole, one call at a time.

    Returns:
        Size and ETag of each file in its store, by local path.

    Raises:
        StoreError: A file cannot be read, is not what the registry says, or does not fit on the disk. The part that
            has arrived stays as `….part`, and the next call resumes it.
    """
    with ThreadPoolExecutor(concurrent_files) as pool:
        downloads = list(pool.map(_prepare, requests))
    with _locked_folders(downloads):
        _check_disk_space(downloads)
        _download_all(downloads, concurrent_files, on_finished or (lambda _: None))
    return {download.request.path: download.info for download in downloads}


def _prepare(request: DownloadRequest) -> _Download:
    folder, name = split_url(request.url)
    store = open_store(folder)
    info = FileInfo(request.size, "") if request.listed and request.size is not None else store.stat(name)
    if request.size is not None and info.size != request.size:
        raise StoreError(
            f"{request.url}: has {info.size} bytes, but {request.published_by} says {request.size}; the file is not "
            "the one that was published"
        )
    return _Download(request, store, name, info)


@contextmanager
def _locked_folders(downloads: Sequence[_Download]) -> Iterator[None]:
    """Lock the target folders, so that another process that needs the same files waits and then finds them."""
    with ExitStack() as locks:
        for folder in sorted({download.request.path.parent for download in downloads}):
            with _disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            locks.enter_context(file_lock(folder))
        yield


def _check_disk_space(downloads: Sequence[_Download]) -> None:
    """Raise an error if the files together need more space than is free."""
    needed: dict[Path, int] = {}
    for download in downloads:
        path = download.request.path
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        existing = sum(file.stat().st_size for file in (PartialFile(path).path, path) if file.is_file())
        needed[folder] = needed.get(folder, 0) + max(download.info.size - existing, 0)
    for folder, size in needed.items():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise StoreError(f"{folder}: {free / 1e6:.0f} MB free but {size / 1e6:.0f} MB needed; free some disk space")


def _download_all(
    downloads: Sequence[_Download], concurrent_files: int, on_finished: Callable[[DownloadRequest], None]
) -> None:
    stop = Event()
    with (
        transfer_progress(sum(download.info.size for download in downloads)) as advance,
        _thread_pool(max(CONCURRENT_RANGES, concurrent_files), stop) as range_pool,
        _thread_pool(concurrent_files, stop) as file_pool,
    ):
        futures = {
            file_pool.submit(_download, download, range_pool, advance, stop): download.request for download in downloads
        }
        for future in as_completed(futures):
            future.result()
            on_finished(futures[future])


@contextmanager
def _thread_pool(count: int, stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that cancels its work soon after an error in this block."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=stop.is_set())


def _download(download: _Download, range_pool: ThreadPoolExecutor, advance: Advance, stop: Event) -> None:
    """Download one file unless it exists; if its hash is wrong, try once more."""
    request, size = download.request, download.info.size
    if _exists(download):
        advance(size)
        return
    partial = PartialFile(request.path)
    for is_last in (False, True):
        sha256 = _download_rest(download, partial, range_pool, advance, stop)
        if request.sha256 in (None, sha256):
            with _disk_errors(request.path):
                partial.finish()
            return
        partial.discard()
        if not is_last:
            log.info("%s: its sha256 is not the published one; downloading it once more", download.resume_info.url)
            advance(-size)
    raise StoreError(
        f"{request.url}: the content has the sha256 {sha256}, but {request.published_by} says {request.sha256}; the "
        "file is damaged or was replaced, and nothing of it was kept"
    )


def _exists(download: _Download) -> bool:
    """Return whether the local file is the one in the store: by hash, else by size and ETag."""
    request = download.request
    if not request.path.is_file() or request.path.stat().st_size != download.info.size:
        return False
    if request.sha256 is None:
        return bool(download.info.etag) and request.etag == download.info.etag
    return sha256_file(request.path) == request.sha256


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _download_rest(
    download: _Download, partial: PartialFile, range_pool: ThreadPoolExecutor, advance: Advance, stop: Event
) -> str:
    """Download the bytes that a partial file lacks, and return the sha256 of the whole file."""
    size = download.info.size
    with _disk_errors(partial.target, partial):
        start = partial.prepare(download.resume_info)
        digest = partial.hash()
    if start:
        log.info("%s: resuming after %d of %d bytes", download.resume_info.url, start, size)
        advance(start)
    try:
        with _disk_errors(partial.target, partial), partial.path.open("ab", buffering=0) as file:
            for data in _hash_while_written(_read_in_order(download, start, range_pool, stop), digest):
                file.write(data)
                advance(len(data))
    except RangesError:
        with _disk_errors(partial.target, partial):
            download.store.download_to(download.name, partial.path)
            digest = partial.hash()
        advance(size)
    except ChangedError:
        partial.discard()
        raise
    sha256: str = digest.hexdigest()
    return sha256


def _hash_while_written(blocks: Iterator[memoryview], digest: Any) -> Iterator[memoryview]:
    """Yield the same blocks; another thread hashes each while the caller writes it."""
    with ThreadPoolExecutor(1) as thread:
        for block in blocks:
            hashed = thread.submit(digest.update, block)
            yield block
            hashed.result()


def _read_in_order(
    download: _Download, start: int, range_pool: ThreadPoolExecutor, stop: Event
) -> Iterator[memoryview]:
    """Yield a file's bytes from `start` on, block by block, with several requests at a time."""
    size, etag = download.info.size, download.info.etag.partition("\n")[0]
    pending: deque[Future[memoryview]] = deque()
    offsets = deque(range(start, size, RANGE_SIZE))
    while pending or offsets:
        while offsets and len(pending) < 2 * CONCURRENT_RANGES:
            offset = offsets.popleft()
            end = min(offset + RANGE_SIZE, size)
            pending.append(range_pool.submit(download.store.read_range, download.name, offset, end, etag))
        if stop.is_set():
            path = download.request.path
            raise StoreError(f"{download.request.url}: stopped because another file failed; {path}.part remains")
        yield pending.popleft().result()


@contextmanager
def _disk_errors(path: Path, partial: PartialFile | None = None) -> Iterator[None]:
    """Turn errors of the disk into a `StoreError`, and delete the partial file, which may fill the disk."""
    try:
        yield
    except OSError as error:
        if partial is not None:
            partial.discard()
        reason = describe_disk_error(error, path)
        raise StoreError(f"{path}: cannot be written: {reason}; nothing of it was kept") from error


def upload_files(files: Sequence[tuple[Path, str]]) -> None:
    """Upload files, except those that exist with the same size.

    Args:
        files: Local paths, and URLs in folders whose names depend on the content, so that the same size means the
            same file.
    """
    with transfer_progress(sum(path.stat().st_size for path, _ in files)) as advance:
        for path, url in files:
            size = path.stat().st_size
            folder, name = split_url(url)
            store = open_store(folder)
            if _stored_size(store, name) != size:
                store.upload(name, path)
            advance(size)


def _stored_size(store: Store, name: str) -> int | None:
    try:
        return store.stat(name).size
    except MissingFileError:
        return None
