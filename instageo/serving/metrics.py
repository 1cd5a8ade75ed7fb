"""What a server counts, for Prometheus."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
TILES = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """Counters of one front process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: Any = {"namespace": "instageo", "registry": self.registry}
        self.requests = Counter("requests", "Requests for predictions, by model and status", ("model", "status"), **own)
        self.seconds = Histogram("request_seconds", "From the whole body to the answer", buckets=SECONDS, **own)
        self.inside = Gauge("requests_inside", "Requests that are being worked on", **own)
        self.tiles = Histogram("batch_tiles", "Tiles that went through a network together", buckets=TILES, **own)

    def text(self) -> bytes:
        """All of them in Prometheus' text format; `batch_tiles_sum / batch_tiles_count` is the mean batch."""
        found: bytes = generate_latest(self.registry)
        return found
