"""Counters of a server, for Prometheus."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
TILES = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """Counters of one process that answers HTTP.

    Args:
        restarts: How often it has been started again.
    """

    def __init__(self, restarts: int = 0) -> None:
        self.registry = CollectorRegistry()
        common: Any = {"namespace": "instageo", "registry": self.registry}
        self.requests = Counter(
            "requests", "Requests for predictions by model and status", ("model", "status"), **common
        )
        self.seconds = Histogram("request_seconds", "From the complete body to the response", buckets=SECONDS, **common)
        self.inside = Gauge("requests_inside", "Requests in progress", **common)
        Counter("front_restarts", "Starts of the process that answers HTTP after it was killed", **common).inc(restarts)
        self.tiles = Histogram("batch_tiles", "Tiles in the same forward pass", buckets=TILES, **common)
        self.jobs = Gauge("jobs", "Maps of areas that wait (queued) or are made (running)", ("state",), **common)
        self.jobs_finished = Counter("jobs_finished", "Maps of areas that have ended, by how", ("state",), **common)

    def count_jobs(self, numbers: Mapping[str, int], ended: str | None) -> None:
        """Update the counters of jobs.

        Args:
            numbers: How many jobs there are in each state that a job leaves.
            ended: State of a job that has just ended; None if none has.
        """
        for state, number in numbers.items():
            self.jobs.labels(state).set(number)
        if ended is not None:
            self.jobs_finished.labels(ended).inc()

    def text(self) -> bytes:
        """Return all counters in Prometheus' text format; `batch_tiles_sum / batch_tiles_count` is the mean batch."""
        content: bytes = generate_latest(self.registry)
        return content
