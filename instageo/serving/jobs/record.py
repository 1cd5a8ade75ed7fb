"""The record of a job: what was asked for, and how far it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

QUEUED, RUNNING, DONE, FAILED, CANCELLED, INTERRUPTED = (
    "queued", "running", "done", "failed", "cancelled", "interrupted",
)  # fmt: skip

STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED, INTERRUPTED)

FINISHED = (DONE, FAILED, CANCELLED, INTERRUPTED)
"""States that a job never leaves."""


def now() -> str:
    """Return the time as ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class JobFile:
    """A file that a job has written.

    Attributes:
        name: Path in the folder of its maps.
        bytes: Its size.
    """

    name: str
    bytes: int


@dataclass(frozen=True)
class JobRecord:
    """A job.

    Attributes:
        id: Its name, random, so that nobody can guess it.
        client: Who asked for it: an address, or `local`.
        model: Name of the model, as clients know it.
        summary: What was asked for, in the words of the request.
        requests: Values of the `AreaRequest` of each period (`request_to_json`); their files lie in the job's folder.
        probabilities: Whether probabilities are written, too.
        state: One of `STATES`.
        message: What it does, or why it has failed: one sentence.
        done: Steps that are done.
        total: All steps; 0 if not known yet.
        created: When it was asked for; ISO 8601, UTC, as all times.
        started: When it last began to run.
        finished: When it ended.
        attempts: How often it has begun to run.
        cancelling: Whether somebody has cancelled it while it ran.
        files: What it has written.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    id: str
    client: str
    model: str
    summary: Mapping[str, Any]
    requests: Mapping[str, Mapping[str, Any]]
    probabilities: bool = False
    state: str = QUEUED
    message: str = ""
    done: int = 0
    total: int = 0
    created: str = field(default_factory=now)
    started: str | None = None
    finished: str | None = None
    attempts: int = 0
    cancelling: bool = False
    files: Sequence[JobFile] = ()

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, however."""
        return self.state in FINISHED

    def end(self, state: str, message: str, files: Sequence[JobFile] = ()) -> Self:
        """Return the record of the job after its end."""
        return replace(self, state=state, message=message, finished=now(), files=tuple(files))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for the disk."""
        return asdict(self)

    def describe(self, position: int | None = None) -> dict[str, Any]:
        """Return what clients see: nothing of the client, nor of paths of the server.

        Args:
            position: How many jobs run before it; None if it does not wait.
        """
        return {
            "id": self.id, "model": self.model, "state": self.state, "message": self.message,
            "progress": {"done": self.done, "total": self.total}, "position": position,
            "created": self.created, "started": self.started, "finished": self.finished, "request": self.summary,
            "files": [asdict(file) for file in self.files],
        }  # fmt: skip


def record_from_json(values: Mapping[str, Any]) -> JobRecord:
    """Return a record from the values of `JobRecord.to_json`.

    Raises:
        ValueError: They are not those of a record.
    """
    try:
        record = TypeAdapter(JobRecord).validate_json(json.dumps(values))
    except ValidationError as error:
        [first, *_] = error.errors()
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for time in filter(None, (record.created, record.started, record.finished)):
        datetime.fromisoformat(time)  # a ValueError if it is none
    if record.state not in STATES:
        raise ValueError(f"its state is {record.state!r}; expected one of {', '.join(STATES)}")
    return record
