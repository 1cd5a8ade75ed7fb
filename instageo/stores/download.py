"""Files from stores to this machine: in parallel, resumed where they stopped, checked before they get their name."""

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

from instageo.locations import hide_secrets
from instageo.progress import transferring
from instageo.stores.base import ChangedError, FileInfo, MissingFileError, RangesError, Store, StoreError, split_url
from instageo.stores.lock import file_lock
from instageo.stores.open import open_store
from instageo.stores.partial import PartialFile, ResumeInfo

log = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Moves the progress bar on by some bytes."""

PIECE = 2 << 20
"""Bytes asked for at a time."""

AT_ONCE = 6
"""Pieces on their way at a time, and as many more that wait to be written: 24 MB of memory per file."""

FILES_AT_ONCE = 2


@dataclass(frozen=True)
class DownloadRequest:
    """A file to fetch.

    Attributes:
        url: Where it lies.
        path: Where it goes.
        size: Its bytes, where they are known.
        sha256: The hash of its content in hexadecimal, where it is known.
        tag: What the store called the content that `path` holds; the same tag is not fetched again.
    """

    url: str
    path: Path
    size: int | None = None
    sha256: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class _Download:
    """A file to fetch, with its store and what that tells of it."""

    wanted: DownloadRequest
    store: Store
    name: str
    facts: FileInfo

    @property
    def origin(self) -> ResumeInfo:
        return ResumeInfo(hide_secrets(self.wanted.url), self.facts.size, self.facts.tag)


def download_files(files: Sequence[DownloadRequest]) -> dict[Path, FileInfo]:
    """Fetch files; each is whole and right under its name, or not there.

    Returns:
        What the stores tell of each.

    Raises:
        StoreError: A file cannot be had, is not what was promised, or does not fit on the disk. What has come of it
            stays as `….part`, and the next call goes on from there.
    """
    jobs = [_job(wanted) for wanted in files]
    with _folders_of(jobs):
        _refuse_full_disk(jobs)
        _run(jobs)
    return {job.wanted.path: job.facts for job in jobs}


@contextmanager
def _folders_of(jobs: Sequence[_Download]) -> Iterator[None]:
    """Hold the folders that files go to, so that another process that wants the same ones waits and finds them."""
    with ExitStack() as held:
        for folder in sorted({job.wanted.path.parent for job in jobs}):
            with _disk(folder):
                folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(folder))
        yield


def _run(jobs: Sequence[_Download]) -> None:
    stop = Event()
    total = sum(job.facts.size for job in jobs)
    with transferring(total) as advance, _threads(AT_ONCE, stop) as pieces, _threads(FILES_AT_ONCE, stop) as threads:
        running = [threads.submit(_fetch, job, pieces, advance, stop) for job in jobs]
        for future in as_completed(running):
            future.result()


@contextmanager
def _threads(count: int, stop: Event) -> Iterator[ThreadPoolExecutor]:
    """A pool whose work ends soon where this block is left by an error."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=stop.is_set())


def _job(wanted: DownloadRequest) -> _Download:
    place, name = split_url(wanted.url)
    store = open_store(place)
    facts = store.facts(name)
    if wanted.size is not None and facts.size != wanted.size:
        raise StoreError(
            f"{wanted.url}: has {facts.size} bytes, but the registry says {wanted.size}; the file is not what was "
            "published"
        )
    return _Download(wanted, store, name, facts)


def _fetch(job: _Download, pieces: ThreadPoolExecutor, advance: Advance, stop: Event) -> None:
    path = job.wanted.path
    if _is_there(job):
        advance(job.facts.size)
        return
    partial = PartialFile(path)
    for last in (False, True):
        found = _fill(job, partial, pieces, advance, stop)
        if job.wanted.sha256 in (None, found):
            with _disk(path):
                partial.finish()
            return
        partial.discard()
        if not last:
            log.info("%s: came with another sha256 than the registry's; fetching it once more", job.origin.url)
            advance(-job.facts.size)
    raise StoreError(
        f"{job.wanted.url}: the content has the sha256 {found}, but the registry says {job.wanted.sha256}; the file "
        "was damaged or exchanged; nothing of it was kept"
    )


def _is_there(job: _Download) -> bool:
    wanted = job.wanted
    if not wanted.path.is_file() or wanted.path.stat().st_size != job.facts.size:
        return False
    if wanted.sha256 is None:
        return bool(job.facts.tag) and wanted.tag == job.facts.tag
    return sha256_file(wanted.path) == wanted.sha256


def sha256_file(path: Path) -> str:
    """The hash of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _fill(job: _Download, partial: PartialFile, pieces: ThreadPoolExecutor, advance: Advance, stop: Event) -> str:
    """Fetch what is missing of a file; gives the sha256 of all of it."""
    with _disk(partial.target, partial):
        begun = partial.begun(job.origin)
        digest = partial.hashed()
    if begun:
        log.info("%s: going on after %d of %d bytes", job.origin.url, begun, job.facts.size)
        advance(begun)
    try:
        with _disk(partial.target, partial), partial.path.open("ab", buffering=0) as file:
            for data in _hashing(_in_order(job, begun, pieces, stop), digest):
                file.write(data)
                advance(len(data))
    except RangesError:
        with _disk(partial.target, partial):
            job.store.whole(job.name, partial.path)
            digest = partial.hashed()
        advance(job.facts.size)
    except ChangedError:
        partial.discard()
        raise
    hexadecimal: str = digest.hexdigest()
    return hexadecimal


def _hashing(data: Iterator[memoryview], digest: Any) -> Iterator[memoryview]:
    """The same pieces, hashed by another thread while they are written."""
    with ThreadPoolExecutor(1) as thread:
        for piece in data:
            hashed = thread.submit(digest.update, piece)
            yield piece
            hashed.result()


def _in_order(job: _Download, begun: int, pieces: ThreadPoolExecutor, stop: Event) -> Iterator[memoryview]:
    """The pieces of a file from a byte on, several on their way at a time."""
    size, waiting = job.facts.size, deque[Future[memoryview]]()
    starts = deque(range(begun, size, PIECE))
    while waiting or starts:
        while starts and len(waiting) < 2 * AT_ONCE:
            start = starts.popleft()
            end = min(start + PIECE, size)
            waiting.append(pieces.submit(job.store.piece, job.name, start, end, job.facts.tag.partition("\n")[0]))
        if stop.is_set():
            raise StoreError(f"{job.wanted.url}: was given up, since another file failed; {job.wanted.path}.part stays")
        yield waiting.popleft().result()


def _refuse_full_disk(jobs: Sequence[_Download]) -> None:
    """Refuse files that together do not fit beside what is there."""
    needed: dict[Path, int] = {}
    for job in jobs:
        folder = next(parent for parent in job.wanted.path.absolute().parents if parent.exists())
        part = PartialFile(job.wanted.path).path
        there = sum(path.stat().st_size for path in (part, job.wanted.path) if path.is_file())
        needed[folder] = needed.get(folder, 0) + max(job.facts.size - there, 0)
    for folder, size in needed.items():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise StoreError(f"{folder}: has {free / 1e6:.0f} MB free, but {size / 1e6:.0f} MB are to come; make room")


@contextmanager
def _disk(path: Path, partial: PartialFile | None = None) -> Iterator[None]:
    """Tell what the disk refuses; where it is full, room is made again."""
    try:
        yield
    except OSError as error:
        if partial is not None:
            partial.discard()
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}; nothing of it was kept") from error


def upload_files(files: Sequence[tuple[Path, str]]) -> None:
    """Send files to stores; what is there already with the same size is left, for content has its own places.

    Args:
        files: Paths here, and the URLs they get, whose folders are named by their content.
    """
    with transferring(sum(path.stat().st_size for path, _ in files)) as advance:
        for path, url in files:
            place, name = split_url(url)
            store = open_store(place)
            if not _same_size(store, name, path.stat().st_size):
                store.upload(name, path)
            advance(path.stat().st_size)


def _same_size(store: Store, name: str, size: int) -> bool:
    try:
        return store.facts(name).size == size
    except MissingFileError:
        return False
