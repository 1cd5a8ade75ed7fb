"""Which finished jobs are removed: old ones, and the oldest ones while the disk is short."""

from collections.abc import Iterable

from instageo.serving.jobs.record import JobRecord
from instageo.serving.jobs.store import JobStore

MIN_FREE_BYTES = 1_000_000_000
"""Free space of the disk without which no job begins."""


def find_expired(jobs: Iterable[JobRecord], store: JobStore, oldest: str, limit_bytes: float) -> list[JobRecord]:
    """Return the finished jobs that are too old, and the oldest ones that are too many for the disk space of jobs.

    Args:
        jobs: All jobs.
        store: Where their files are.
        oldest: Time before which finished jobs are too old; ISO 8601, UTC.
        limit_bytes: Disk space for the files of all jobs.
    """
    jobs = list(jobs)
    sizes = {job.id: store.used_bytes(job.id) for job in jobs}
    used, expired = sum(sizes.values()), []
    for job in _finished(jobs):
        if (job.finished or "") < oldest or used > limit_bytes:
            expired.append(job)
            used -= sizes[job.id]
    return expired


def find_removable(jobs: Iterable[JobRecord], store: JobStore) -> list[JobRecord] | None:
    """Return the oldest finished jobs without which the disk has some free space; None if all are not enough."""
    missing = MIN_FREE_BYTES - store.free_bytes()
    removable = []
    for job in _finished(jobs):
        if missing <= 0:
            break
        removable.append(job)
        missing -= store.used_bytes(job.id)
    return removable if missing <= 0 else None


def _finished(jobs: Iterable[JobRecord]) -> list[JobRecord]:
    return sorted((job for job in jobs if job.is_finished), key=lambda job: (job.finished or "", job.id))
