"""Jobs on disk: a folder for each, with its record, the files of its request, and its maps."""

import json
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from instageo.area_maps.job_messages import JobOrder, request_from_json, request_to_json
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.files import atomic_path, write_text
from instageo.plain_values import load_json_file
from instageo.serving.jobs.job_request import JobSpec
from instageo.serving.jobs.record import JobFile, JobRecord, record_from_json

log = logging.getLogger(__name__)

RECORD, AREA, ZONES, MAPS, LOG = "job.json", "area.geojson", "zones.geojson", "maps", "job.log"
"""Names in the folder of a job."""

PRIVATE = ("request.json",)
"""Names of files in the folders of maps that hold paths of the server."""

PLAN_PREFIX = "plan-"

JOB_ID = re.compile(r"[0-9a-f]{32}")

PUBLISHED = {
    ".tif": "image/tiff", ".csv": "text/csv; charset=utf-8", ".json": "application/json",
    ".geojson": "application/geo+json", ".png": "image/png", ".html": "text/html; charset=utf-8",
    ".vrt": "application/xml",
}  # fmt: skip
"""Media types of the files that clients may fetch, by their suffix."""


class JobStore:
    """The folder of all jobs.

    Args:
        folder: Its path; it is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def create(self, spec: JobSpec, client: str) -> JobRecord:
        """Write the files of a new job, and return its record."""
        job_id = secrets.token_hex(16)
        requests = self._write_inputs(spec, self.folder / job_id)
        record = JobRecord(job_id, client, spec.model, spec.summary, requests, spec.probabilities)
        self.save(record)
        return record

    @contextmanager
    def planned(self, spec: JobSpec, model: str) -> Iterator[tuple[JobOrder, Path]]:
        """Yield the order for the plan of a job, and a file for its log; both are gone after the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PLAN_PREFIX, dir=self.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            requests = _resolve(self._write_inputs(spec, folder), folder)
            yield JobOrder("plan", model, requests, AreaOutput(folder / MAPS, spec.probabilities)), folder / LOG

    def order(self, record: JobRecord, model: str, memory_mb: int) -> JobOrder:
        """Return the order for the maps of a job.

        Args:
            record: The job.
            model: Checkpoint, folder of a run, or `registry:…`.
            memory_mb: Memory beyond that of the network, MB.
        """
        output = AreaOutput(self.maps(record.id), record.probabilities, memory_mb=memory_mb, model_name=record.model)
        return JobOrder("run", model, _resolve(record.requests, self.folder / record.id), output)

    def save(self, record: JobRecord, *, sync: bool = True) -> None:
        """Write the record of a job, whole or not at all.

        Args:
            record: The job.
            sync: Whether it must survive a power failure.
        """
        with atomic_path(self.folder / record.id / RECORD, sync=sync) as path:
            path.write_text(json.dumps(record.to_json()), encoding="utf-8")

    def load(self) -> list[JobRecord]:
        """Return the records of all jobs, the oldest first; folders without a whole record are named in the log."""
        for left in self.folder.glob(f"{PLAN_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        records = []
        for path in self.folder.glob(f"*/{RECORD}"):
            try:
                record = record_from_json(load_json_file(path))
                _resolve(record.requests, path.parent)
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                log.warning("%s: ignored, since it is damaged: %s", path, error)
                continue
            if record.id == path.parent.name and JOB_ID.fullmatch(record.id):
                records.append(record)
        return sorted(records, key=lambda record: (record.created, record.id))

    def remove(self, record: JobRecord) -> None:
        """Remove all files of a job, its record first."""
        folder = self.folder / record.id
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def remove_maps(self, job_id: str) -> None:
        """Remove what a job has written, and keep its record."""
        shutil.rmtree(self.maps(job_id), ignore_errors=True)

    def maps(self, job_id: str) -> Path:
        """Return the folder of a job's maps."""
        return self.folder / job_id / MAPS

    def log(self, job_id: str) -> Path:
        """Return the log of a job's process."""
        return self.folder / job_id / LOG

    def used_bytes(self, job_id: str) -> int:
        """Return the size of a job's files."""
        return sum(size for _, size in _files(self.folder / job_id))

    def free_bytes(self) -> int:
        """Return the free space of the disk."""
        return shutil.disk_usage(self.folder).free

    def list_files(self, job_id: str) -> list[JobFile]:
        """Return the files that clients may fetch: whole ones of known kinds, none of them hidden or a link."""
        folder = self.maps(job_id)
        files = []
        for path, size in _files(folder):
            parts = path.relative_to(folder).parts
            name = "/".join(parts)
            if (
                path.suffix in PUBLISHED
                and path.name not in PRIVATE
                and not any(part.startswith(".") for part in parts)
                and name.isprintable()
            ):
                files.append(JobFile(name, size))
        return sorted(files, key=lambda file: file.name)

    def find_file(self, record: JobRecord, name: str) -> Path | None:
        """Return the path of a file of a job by its name in the record, or None.

        The path is made of the record's name, never of the given one.
        """
        listed = next((file for file in record.files if file.name == name), None)
        folder = self.maps(record.id)
        if listed is None:
            return None
        path = folder / listed.name
        inside = path.resolve().is_relative_to(folder.resolve())
        return path if inside and path.is_file() and not path.is_symlink() else None

    def _write_inputs(self, spec: JobSpec, folder: Path) -> dict[str, Any]:
        """Write the files of a request, and return its values by period; files by their names in the folder."""
        for name, content in ((AREA, spec.geometry), (ZONES, spec.zones)):
            if content is not None:
                write_text(folder / name, json.dumps(content))
        return {name: request_to_json(request) for name, request in spec.to_requests(AREA, ZONES).items()}


def _resolve(requests: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, AreaRequest]:
    """Return requests whose files are in a folder."""
    resolved = {}
    for period, request in requests.items():
        paths = {name: str(folder / file) for name, file in (("area", AREA), ("zones", ZONES)) if request[name] == file}
        resolved[period] = request_from_json({**request, **paths})
    return resolved


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the regular files of a folder and below, with their sizes; links are left out, and not followed."""
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # removed in the meantime
                status = os.lstat(os.path.join(root, name))
                if stat.S_ISREG(status.st_mode):
                    yield Path(root, name), status.st_size
