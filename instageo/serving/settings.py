"""What a server takes and how long it waits."""

from dataclasses import asdict, dataclass, field
from typing import Any

from instageo.errors import ConfigError

TOKEN = "INSTAGEO_SERVE_TOKEN"  # noqa: S105  # the variable's name
"""Environment variable that holds the bearer token; without it none is asked for."""


@dataclass(frozen=True)
class RequestLimits:
    """What is refused, so that one request cannot harm others.

    Attributes:
        upload_mb: Largest body of a request, MB.
        megapixels: Largest image, millions of pixels of one layer.
        decoded_mb: Largest image in memory, MB: pixels x layers x bytes of a value.
        waiting: Requests accepted at a time; more are told to come back (429).
        results_mb: Disk for the page's newest results, MB.
        timeout_s: Seconds after which a request is given up (503).
        fetch: Whether images may be named by URL.
        fetch_private: Whether such a URL may lead into this machine's own network.
        fetch_s: Seconds for fetching one.
    """

    upload_mb: int = 256
    megapixels: int = 100
    decoded_mb: int = 4000
    waiting: int = 64
    results_mb: int = 1000
    timeout_s: int = 300
    fetch: bool = False
    fetch_private: bool = False
    fetch_s: int = 30

    def __post_init__(self) -> None:
        for name in ("upload_mb", "megapixels", "decoded_mb", "waiting", "results_mb", "timeout_s", "fetch_s"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name.replace('_', '-')} is {getattr(self, name)}; expected 1 or more")


@dataclass(frozen=True)
class ServerSettings:
    """What a server is told.

    Attributes:
        models: Source of each model by its name: a checkpoint, a run's directory, or `registry:…`.
        loaded: Models that one process holds at a time; the one not used for longest goes first.
        replicas: Processes with networks, at the most.
        batch_tiles: Tiles that go through a network together.
        batch_wait_ms: How long the first of them waits for others, milliseconds.
        samples: Folder of images that the page offers.
        limits: What is refused.
    """

    models: dict[str, str]
    loaded: int = 3
    replicas: int = 1
    batch_tiles: int = 16
    batch_wait_ms: float = 5
    samples: str | None = None
    limits: RequestLimits = field(default_factory=RequestLimits)

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("no model is named; expected a checkpoint, a run's directory, or registry:MODEL/SIZE")
        for name in ("loaded", "replicas", "batch_tiles"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name.replace('_', '-')} is {getattr(self, name)}; expected 1 or more")

    def plain(self) -> dict[str, Any]:
        """As plain values, for a configuration file."""
        return asdict(self)


def server_settings_from_dict(plain: dict[str, Any]) -> ServerSettings:
    """From plain values.

    Raises:
        ConfigError: A key is not known.
    """
    known, limits = dict(plain), dict(plain.get("limits") or {})
    try:
        return ServerSettings(**(known | {"limits": RequestLimits(**limits)}))
    except TypeError as error:
        raise ConfigError(f"the server's arguments do not fit: {error}") from error
