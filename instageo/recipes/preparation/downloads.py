"""Download the files of a recipe; those that are there already are not fetched again."""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from instageo.recipes.definition.recipe import RecipeError
from instageo.recipes.preparation.places import RemoteFile
from instageo.runtime.progress import ProgressLog
from instageo.stores.download import DownloadRequest, download_files
from instageo.wording import counted

log = logging.getLogger(__name__)

JOURNAL = "downloads.jsonl"
"""One line for each file that is whole."""

CONCURRENT_FILES = 12
"""Chips are small, so waiting for responses takes longer than the transfer."""


def download_all(files: Sequence[RemoteFile], folder: Path) -> int:
    """Download files that are not in the folder, and return their number.

    Raises:
        RecipeError: Two files would get the same path, or the disk is too small.
        StoreError: A file cannot be read or is not the published one.
    """
    _check_unique(files)
    recorded = _read_journal(folder / JOURNAL)
    missing = [file for file in files if not _is_whole(file, folder, recorded)]
    _report(files, missing, folder)
    if not missing:
        return 0
    requests = {
        folder / file.path: DownloadRequest(
            file.url, folder / file.path, file.size, file.sha256, listed=True, version=file.version,
            published_by="its place or the recipe",
        )
        for file in missing
    }  # fmt: skip
    by_path = {folder / file.path: file for file in missing}
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / JOURNAL, "a", encoding="utf-8") as journal:
        journal.write("\n")  # ends a line that was cut
        progress, done = ProgressLog("downloading", len(missing)), count(1)

        def record(request: DownloadRequest) -> None:
            journal.write(json.dumps(_record(by_path[request.path], folder), ensure_ascii=False) + "\n")
            journal.flush()
            progress.update(next(done))

        download_files(list(requests.values()), concurrent_files=CONCURRENT_FILES, on_finished=record)
        os.fsync(journal.fileno())
    return len(missing)


def _report(files: Sequence[RemoteFile], missing: Sequence[RemoteFile], folder: Path) -> None:
    """Log the size of the download and the free disk space; raise an error if it does not fit."""
    total, needed = (sum(file.size for file in part) for part in (files, missing))
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    begun = sum(part.stat().st_size for part in folder.rglob("*.part") if part.is_file()) if folder.is_dir() else 0
    free = shutil.disk_usage(existing).free
    to_come = f"{counted(len(missing), 'file')}, {format_size(needed)}," if missing else "nothing"
    log.info(
        "%s, %s; %s to download; %s free in %s",
        *(counted(len(files), "file"), format_size(total), to_come, format_size(free), existing),
    )
    if needed - begun > free:
        raise RecipeError(
            f"{folder}: {format_size(free)} free, but {format_size(needed - begun)} needed; free some disk space, or "
            "choose another folder"
        )


def format_size(size: int) -> str:
    """Return bytes as text with three digits.

    Examples:
        >>> format_size(999), format_size(1_234_567), format_size(14_000_000_000)
        ('999 bytes', '1.23 MB', '14 GB')
    """
    if size < 1000:
        return f"{size} bytes"
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 1000**power:
            return f"{float(f'{size / 1000**power:.3g}'):g} {unit}"
    raise AssertionError


def _record(file: RemoteFile, folder: Path) -> dict[str, object] | None:
    """Return what the journal says of a file that is whole; None if it is not there with its size."""
    try:
        status = (folder / file.path).stat()
    except OSError:
        return None
    if status.st_size != file.size:
        return None
    return {
        "path": file.path, "size": file.size, "sha256": file.sha256, "version": file.version,
        "mtime_ns": status.st_mtime_ns,
    }  # fmt: skip


def _is_whole(file: RemoteFile, folder: Path, recorded: Mapping[str, dict[str, object]]) -> bool:
    """Return whether a file is there as the journal says, and the source still has that content."""
    record = _record(file, folder)
    return record is not None and recorded.get(file.path) == record


def _read_journal(path: Path) -> dict[str, dict[str, object]]:
    """Return the newest line of each file; lines that were cut are left out."""
    records: dict[str, dict[str, object]] = {}
    if not path.is_file():
        return records
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            records[record["path"]] = record
        except (ValueError, KeyError, TypeError):
            continue
    return records


def _check_unique(files: Sequence[RemoteFile]) -> None:
    urls: dict[str, str] = {}
    for file in files:
        if urls.setdefault(file.path, file.url) != file.url:
            raise RecipeError(f"{file.url} and {urls[file.path]} would be saved to the same path, {file.path}")
