"""The queue of a server's jobs: which one runs next, how far each is, and what happens after a restart."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from instageo.errors import InstaGeoError, WriteError
from instageo.serving.errors import WHEN_JOBS_HAVE_ENDED, WHEN_READY, HTTPProblem, without_settings
from instageo.serving.jobs import record as states
from instageo.serving.jobs.job_request import JobSpec
from instageo.serving.jobs.process import DEFAULT_COMMAND, JobProcess, Outcome
from instageo.serving.jobs.record import JobRecord
from instageo.serving.jobs.retention import find_expired, find_removable
from instageo.serving.jobs.settings import JobSettings
from instageo.serving.jobs.store import JobStore
from instageo.stores.lock import LockedError, hold_folder

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""How often a job is started again after the server was killed."""

HOUR_S, GB = 3600.0, 1e9

SAVE_S, HOUSEKEEPING_S, SIZE_CHECK_S, LOCK_RETRY_S = 2.0, 60.0, 15.0, 1.0

Counted = Callable[[Mapping[str, int], str | None], None]


class JobQueue:
    """Jobs of a server, which run one after another in processes of their own.

    Args:
        settings: Where jobs are kept, and their limits.
        models: Source of each model by its name.
        count: Called after each change with the number of jobs that wait and run, and the state of one that ended.
        command: The program that does an order.
    """

    def __init__(
        self,
        settings: JobSettings,
        store: JobStore,
        models: Mapping[str, str],
        count: Counted,
        command: Sequence[str] = DEFAULT_COMMAND,
    ) -> None:
        self.settings, self.store, self.models, self._count, self._command = settings, store, models, count, command
        self._jobs: dict[str, JobRecord] = {}
        self._own_paths = re.compile(rf"{re.escape(str(store.folder))}(/[0-9a-f]{{32}}/?)?")
        self._processes: dict[str, JobProcess] = {}
        self._unsaved: set[str] = set()
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._ready = False
        self._blocked = "the jobs of this server are being read; try again in a moment"
        self._thread = threading.Thread(target=self._supervise, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to run jobs, in threads."""
        self._thread.start()

    def close(self) -> None:
        """Stop the jobs that run, which the next start continues, and end all threads."""
        self._closing.set()
        with self._changed:
            for process in self._processes.values():
                process.stop()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, spec: JobSpec, client: str) -> JobRecord:
        """Queue a job, and return it.

        Raises:
            HTTPProblem: The queue is full or the client has too many jobs (429), or the disk is full (507).
        """
        with self._changed:
            self.check_place(client)
            try:
                record = self.store.create(spec, client)
            except WriteError as error:
                log.error("a job cannot be kept: %s", error)
                raise HTTPProblem(507, "the disk of this server takes no more files; its log says why") from error
            self._jobs[record.id] = record
            self._announce(record)
            self._changed.notify_all()
        return record

    def check_place(self, client: str) -> None:
        """Raise HTTPProblem if a job of this client would not be queued; see `submit`."""
        self._require_ready()
        with self._changed:
            waiting = sum(job.state == states.QUEUED for job in self._jobs.values())
            own = sum(job.client == client and not job.is_finished for job in self._jobs.values())
            if waiting >= self.settings.queue:
                raise HTTPProblem(
                    429, f"{waiting} jobs wait already, the limit of this server; try later", WHEN_JOBS_HAVE_ENDED
                )
            if own >= self.settings.per_client:
                raise HTTPProblem(
                    429,
                    f"{own} jobs of yours wait or run already, the limit; wait for one, or cancel one",
                    WHEN_JOBS_HAVE_ENDED,
                )
            self._free_disk()

    def find(self, job_id: str) -> JobRecord:
        """Return a job.

        Raises:
            HTTPProblem: No job has this name (404), or jobs are not ready (503).
        """
        self._require_ready()
        with self._changed:
            record = self._jobs.get(job_id)
        if record is None:
            raise HTTPProblem(404, "no such job; it may have been removed")
        return record

    def list_jobs(self, client: str) -> list[JobRecord]:
        """Return the jobs of a client, the newest first."""
        self._require_ready()
        with self._changed:
            return [job for job in reversed(self._jobs.values()) if job.client == client]

    def position(self, record: JobRecord) -> int | None:
        """Return how many jobs run before a job that waits; None if it does not wait."""
        with self._changed:
            waiting = [job.id for job in self._jobs.values() if job.state == states.QUEUED]
            return waiting.index(record.id) if record.id in waiting else None

    def cancel(self, job_id: str) -> JobRecord | None:
        """Cancel a job that waits or runs, and return it; remove one that has ended, and return None."""
        with self._changed:
            record = self.find(job_id)
            if record.is_finished:
                self._remove(record)
                return None
            if process := self._processes.get(job_id):
                process.stop()
                return self._update(replace(record, message="being cancelled", cancelling=True))
            return self._update(record.end(states.CANCELLED, "cancelled before it began"))

    def _supervise(self) -> None:
        """Hold the folder, and run jobs in it until the end; wait while another server holds it."""
        while not self._closing.is_set():
            try:
                with hold_folder(self.store.folder):
                    self._recover()
                    self._ready = True
                    self._work()
                    self._ready = False
            except LockedError as error:
                self._blocked = f"another server uses the folder of the jobs ({error}); stop it, or name another folder"
                self._closing.wait(LOCK_RETRY_S)
            except (InstaGeoError, OSError):
                log.exception("jobs cannot be kept")
                self._ready, self._blocked = False, "jobs cannot be kept on the disk of this server; its log says why"
                self._closing.wait(10 * LOCK_RETRY_S)

    def _recover(self) -> None:
        """Read all jobs; those that ran when the server died wait again, unless they did so too often."""
        with self._changed:
            self._jobs = {record.id: record for record in self.store.load()}
            for record in [job for job in self._jobs.values() if job.state == states.RUNNING]:
                if record.cancelling:
                    self._update(record.end(states.CANCELLED, "cancelled", self.store.list_files(record.id)))
                elif record.attempts >= MAX_ATTEMPTS:
                    message = f"the server ended {record.attempts} times during this job, so it is not tried again"
                    files = self.store.list_files(record.id)
                    self._update(record.end(states.INTERRUPTED, message, files))
                else:
                    self._update(replace(record, state=states.QUEUED, message="goes on after a restart of the server"))
            self._count(self._numbers(), None)

    def _work(self) -> None:
        threads = [
            threading.Thread(target=self._run_jobs, name=f"job-{n}", daemon=True) for n in range(self.settings.running)
        ]
        for thread in threads:
            thread.start()
        while not self._closing.is_set():
            self._remove_expired()
            self._save_again()
            self._closing.wait(HOUSEKEEPING_S)
        for thread in threads:
            thread.join()

    def _run_jobs(self) -> None:
        while record := self._next():
            try:
                self._run(record)
            except (InstaGeoError, OSError) as error:
                log.exception("job %s", record.id[:8])
                with self._changed:
                    self._finish(record.id, Outcome(self.public(str(error))))

    def _next(self) -> JobRecord | None:
        """Wait for a job, and return it as running; None at the end."""
        with self._changed:
            while not self._closing.is_set():
                waiting = next((job for job in self._jobs.values() if job.state == states.QUEUED), None)
                if waiting is not None:
                    running = replace(
                        waiting, state=states.RUNNING, started=states.now(), attempts=waiting.attempts + 1,
                        message="starting", done=0, total=0,
                    )  # fmt: skip
                    order = self.store.order(running, self.models.get(running.model, ""), self.settings.memory_mb)
                    self._processes[running.id] = JobProcess(order, self.store.log(running.id), self._command)
                    return self._update(running)
                self._changed.wait()
        return None

    def _run(self, record: JobRecord) -> None:
        process = self._processes[record.id]
        try:
            if record.model not in self.models:
                outcome = Outcome(f"the server no longer has the model '{record.model}'")
            else:
                outcome = process.run(self._progress(record.id), self._watch(record, process))
        finally:
            with self._changed:
                self._processes.pop(record.id, None)
        with self._changed:
            self._finish(record.id, outcome)
        self._remove_expired()

    def _progress(self, job_id: str) -> Callable[[str, int, int], None]:
        saved = time.monotonic()

        def update(message: str, done: int, total: int) -> None:
            nonlocal saved
            with self._changed:
                record = self._jobs[job_id]
                if record.cancelling:
                    return
                self._jobs[job_id] = replace(record, message=self.public(message), done=done, total=total)
                if time.monotonic() - saved >= SAVE_S:
                    saved = time.monotonic()
                    with suppress(InstaGeoError, OSError):  # a full disk ends the job by itself
                        self.store.save(self._jobs[job_id], sync=False)

        return update

    def _watch(self, record: JobRecord, process: JobProcess) -> Callable[[], None]:
        """Return what stops a job that takes too long, or too much disk space."""
        start = checked = time.monotonic()

        def check() -> None:
            nonlocal checked
            if time.monotonic() - start > self.settings.hours * HOUR_S:
                hours = self.settings.hours
                process.stop(f"the job ran longer than {hours} h, the limit of this server; ask for a smaller area")
            if time.monotonic() - checked >= SIZE_CHECK_S:
                checked = time.monotonic()
                if self.store.used_bytes(record.id) > self.settings.disk_gb * GB:
                    limit = self.settings.disk_gb
                    process.stop(f"its files are larger than {limit} GB, the limit of this server; map a smaller area")

        return check

    def _finish(self, job_id: str, outcome: Outcome) -> None:
        record = self._jobs[job_id]
        if outcome.stopped and outcome.error is None and not record.cancelling:  # the server ends
            again = replace(
                record, state=states.QUEUED, attempts=record.attempts - 1, message="goes on after a restart"
            )
            self._update(again)
            return
        if self.store.used_bytes(job_id) > self.settings.disk_gb * GB:
            self.store.remove_maps(job_id)  # else the record would go with them, and nobody could read why
        files = self.store.list_files(job_id)
        if outcome.error is not None:
            record = record.end(states.FAILED, self.public(outcome.error), files)
        elif outcome.stopped:
            record = record.end(states.CANCELLED, "cancelled", files)
        else:
            record = replace(record, done=record.total).end(
                states.DONE, self.public(outcome.missing) if outcome.missing else "done", files
            )
        self._update(record)

    def public(self, sentence: str) -> str:
        """Return a sentence of a job's process for clients, without paths of this server."""
        for name, source in self.models.items():
            if "/" in source:
                sentence = sentence.replace(source, name)
        return without_settings(self._own_paths.sub("", sentence) or "the files of the job")

    def _update(self, record: JobRecord) -> JobRecord:
        """Keep a job's new record, in memory and on disk."""
        before = self._jobs.get(record.id)
        self._jobs[record.id] = record
        if before is None or before.state != record.state:
            self._announce(record)
        self._save(record)
        self._changed.notify_all()
        return record

    def _save(self, record: JobRecord) -> None:
        """Write a record; if the disk refuses it, jobs go on, and housekeeping tries again."""
        try:
            self.store.save(record)
            self._unsaved.discard(record.id)
        except (InstaGeoError, OSError) as error:
            log.error("job %s: its record cannot be written: %s", record.id[:8], error)
            self._unsaved.add(record.id)

    def _save_again(self) -> None:
        with self._changed:
            for record in [self._jobs[job_id] for job_id in self._unsaved & self._jobs.keys()]:
                self._save(record)

    def _announce(self, record: JobRecord) -> None:
        seconds = ""
        if record.started and record.finished:
            took = datetime.fromisoformat(record.finished) - datetime.fromisoformat(record.started)
            seconds = f" after {took.total_seconds():.0f} s"
        log.info("job %s (%s): %s%s", record.id[:8], record.model, record.state, seconds)
        self._count(self._numbers(), record.state if record.is_finished else None)

    def _numbers(self) -> dict[str, int]:
        jobs = self._jobs.values()
        return {state: sum(job.state == state for job in jobs) for state in (states.QUEUED, states.RUNNING)}

    def _remove(self, record: JobRecord) -> None:
        with self._changed:
            self._jobs.pop(record.id, None)
        self.store.remove(record)

    def _remove_expired(self) -> None:
        """Remove old jobs, and the oldest ones if all take too much space; not under the lock, since it takes time."""
        with self._changed:
            jobs = list(self._jobs.values())
        oldest = (datetime.now(UTC) - timedelta(days=self.settings.keep_days)).isoformat(timespec="milliseconds")
        for record in find_expired(jobs, self.store, oldest, self.settings.disk_gb * GB):
            log.info("job %s: removed, since it is old or others need its disk space", record.id[:8])
            self._remove(record)

    def _free_disk(self) -> None:
        removable = find_removable(self._jobs.values(), self.store)
        if removable is None:
            raise HTTPProblem(507, "the disk of this server is nearly full; its operator has to free some space")
        for record in removable:
            self._remove(record)

    def _require_ready(self) -> None:
        if not self._ready:
            raise HTTPProblem(503, self._blocked, WHEN_READY)
