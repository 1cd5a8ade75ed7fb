"""Read windows of many files in threads; what a busy server refuses is tried again."""

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from instageo.data import retries
from instageo.data.catalogs.access import Access
from instageo.data.catalogs.trust import RefusedAddressError
from instageo.data.output.skipped import Reason
from instageo.data.reading.hosts import Hosts
from instageo.data.reading.http_probe import Answer, probe
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.errors import InstaGeoError, RasterError
from instageo.gdal_access import summarize_error
from instageo.locations import gdal_path, hide_secrets, is_remote
from instageo.raster.chip_windows.window_reading import FileWindows, read_chip_windows
from instageo.raster.gdal_log import hide_secrets_in_log

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""Attempts for a file that the server gives but GDAL cannot decode, since a piece may have got lost on the way."""

FOUND = (200, 206)
EMPTY = 416
"""Status of a request for the first bytes of a file without any."""

FORBIDDEN = 403
DENIED, MISSING = (401, FORBIDDEN), (404, 410)

_STATUS = re.compile(r"response[ _]code[:=]\s*(\d{3})")


@dataclass(frozen=True)
class _Reader:
    """Reads files one by one, from several threads."""

    access: Access
    hosts: Hosts
    partial: bool
    stop: threading.Event

    def read(self, read: AssetRead) -> FileWindows | ReadFailure:
        """Read a file, again after failures that may pass."""
        renew = was_renewed = False
        for attempt in range(MAX_ATTEMPTS + 1):
            try:
                location = self.access.location(read.href, renew=renew)
            except InstaGeoError as error:  # an address that is refused, or no signature
                return ReadFailure(Reason.NOT_READABLE, str(error), is_lasting=isinstance(error, RefusedAddressError))
            renew = False
            try:
                with self.hosts.place(location):
                    result = read_chip_windows(
                        location, read.grids, options=self._options(read.href, location, attempt), partial=self.partial
                    )
                self.hosts.succeed(location)
                return result
            except RasterError as error:
                if not is_remote(location) and not Path(location).exists():
                    return self._lasting_failure(read, Reason.ASSET_MISSING, "the file does not exist")
                if not _is_access(error):
                    return self._lasting_failure(read, _grid_reason(error), _without_location(error, location))
                if not is_remote(location):
                    return self._lasting_failure(read, Reason.NOT_READABLE, _damage(location, error))
                answer = self._wait(location, _answer(location, error))
                if answer.status in DENIED and not was_renewed:
                    renew = was_renewed = True
                elif answer.status not in FOUND or attempt + 1 >= MAX_ATTEMPTS or self.stop.is_set():
                    return self._remote_failure(read, location, answer, error)
        raise AssertionError  # the last attempt returns

    def _wait(self, location: str, answer: Answer) -> Answer:
        """Wait while the server is busy or does not answer, and return its last answer."""
        can_probe = _is_http(location)
        for wait in retries.WAITS_S:
            if self.stop.is_set() or not (answer.status is None or answer.status in retries.BUSY):
                break
            wait_s = retries.seconds_to_wait(wait, answer.retry_after_s)
            log.info("%s: %s; trying again in %.1f s", hide_secrets(location), _say(answer), wait_s)
            self.stop.wait(wait_s)
            answer = probe(location) if can_probe else Answer(FOUND[0])
        return answer

    def _options(self, href: str, location: str, attempt: int) -> dict[str, str]:
        """Return GDAL options.

        GDAL remembers failures of a URL unless an option forbids it, and repeats refused requests for single ranges,
        not those that it sends in parallel.
        """
        options = dict(self.access.gdal_options(href))
        if attempt and is_remote(location):
            options |= {"CPL_VSIL_CURL_NON_CACHED": gdal_path(location), "GDAL_HTTP_MULTIRANGE": "SERIAL"}
        return options

    def _remote_failure(self, read: AssetRead, location: str, answer: Answer, error: RasterError) -> ReadFailure:
        if answer.status in MISSING:
            self.hosts.succeed(location)
            return self._lasting_failure(read, Reason.ASSET_MISSING, _say(answer))
        if answer.status in (*FOUND, EMPTY):
            self.hosts.succeed(location)
            return self._lasting_failure(read, Reason.NOT_READABLE, _damage(location, error))
        self.hosts.fail(location, _say(answer))
        message = hide_secrets(self.access.explain(read.href, _say(answer)))
        return ReadFailure(Reason.NOT_READABLE, message, is_lasting=answer.status == FORBIDDEN)

    def _lasting_failure(self, read: AssetRead, reason: Reason, text: str) -> ReadFailure:
        return ReadFailure(reason, hide_secrets(self.access.explain(read.href, text)), is_lasting=True)


def fetch(
    reads: Sequence[AssetRead],
    access: Access,
    *,
    threads: int = 8,
    per_host: int = 8,
    partial: bool = False,
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[tuple[int, FileWindows | ReadFailure]]:
    """Yield the result of each read with its position, in the order in which they end.

    Args:
        reads: Files and their windows.
        access: How files are opened.
        threads: Files read at a time.
        per_host: Files read from one host at a time.
        partial: Whether windows may reach beyond their file; no-data is filled in there.
        pool: Threads that several calls share, in place of `threads`: GDAL keeps connections by thread.

    Raises:
        HostDownError: A host has refused 20 files in a row.
    """
    hide_secrets_in_log()
    stop = threading.Event()
    reader = _Reader(access, Hosts(per_host), partial, stop)
    workers = pool or ThreadPoolExecutor(threads, thread_name_prefix="fetch")
    positions = {workers.submit(reader.read, read): position for position, read in enumerate(reads)}
    try:
        for future in as_completed(positions):
            yield positions.pop(future), future.result()
    finally:
        stop.set()
        for future in positions:
            future.cancel()
        if pool is None:
            workers.shutdown(wait=False)


def fetch_one(read: AssetRead, access: Access, hosts: Hosts) -> FileWindows | ReadFailure:
    """Return the result of a read in this thread, whose connections GDAL uses again for its next one.

    Args:
        read: A file and its windows.
        access: How it is opened.
        hosts: Limits that threads share.

    Raises:
        HostDownError: A host has refused 20 files in a row.
    """
    hide_secrets_in_log()
    return _Reader(access, hosts, partial=False, stop=threading.Event()).read(read)


def _is_access(error: RasterError) -> bool:
    """Return whether a file could not be opened or decoded, rather than has another grid or type than expected."""
    return error.__cause__ is not None and not isinstance(error.__cause__, InstaGeoError)


def _grid_reason(error: RasterError) -> Reason:
    return Reason.GRID_DIFFERS if isinstance(error.__cause__, RasterError) else Reason.NOT_READABLE


def _is_http(location: str) -> bool:
    return location.lower().startswith(("http://", "https://"))


def _answer(location: str, error: RasterError) -> Answer:
    """Return what the server answers: from GDAL's message, or else from one small request."""
    match = _STATUS.search(str(error.__cause__))
    status = int(match[1]) if match else None
    if status in (*DENIED, *MISSING):
        return Answer(status)
    return probe(location) if _is_http(location) else Answer(status or FOUND[0])


def _say(answer: Answer) -> str:
    status = answer.status
    if status is None:
        return "the server does not answer"
    if status in DENIED:
        return f"access denied (HTTP {status})"
    if status in MISSING:
        return f"the server has no such file (HTTP {status})"
    if status in retries.BUSY:
        return f"the server is busy or down (HTTP {status})"
    return f"the server answers HTTP {status}"


def _damage(location: str, error: RasterError) -> str:
    return f"truncated or damaged ({summarize_error(location, error.__cause__ or error)})"


def _without_location(error: RasterError, location: str) -> str:
    return str(error).removeprefix(f"{hide_secrets(location)}: ")
