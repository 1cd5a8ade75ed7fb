"""Settings of a server: its models, their processes, and the limits of requests."""

from dataclasses import asdict, dataclass, field
from typing import Any

from instageo.errors import ConfigError
from instageo.serving.jobs.settings import JobSettings
from instageo.wording import option_flag

TOKEN_VARIABLE = "INSTAGEO_SERVE_TOKEN"  # noqa: S105  # the variable's name  # nosec B105
"""Environment variable that holds the bearer token; if it is not set, no token is required."""

APPLICATION_NAME = "instageo"
"""Name of the application in Ray Serve."""


@dataclass(frozen=True)
class RequestLimits:
    """Limits that keep one request from harming others.

    Attributes:
        upload_mb: Largest body of a request, MB.
        megapixels: Largest image, millions of pixels of one layer.
        decoded_mb: Largest image in memory, MB: pixels x layers x bytes per value.
        memory_mb: Memory for the images of all requests together, MB; further requests wait.
        max_concurrency: Requests processed at a time; further ones get HTTP 429.
        results_mb: Disk space for the page's newest results, MB.
        timeout_s: Seconds after which a request ends with HTTP 503.
        allow_urls: Whether requests may name images by URL.
        allow_private_urls: Whether such a URL may lead into a private network, such as that of the server.
        url_timeout_s: Seconds for fetching one.
        allowed_hosts: Names of the server in the header Host, besides localhost, that of the machine and addresses;
            without a token no others are accepted, with one only if there are any.
    """

    upload_mb: int = 256
    megapixels: int = 100
    decoded_mb: int = 4000
    memory_mb: int = 4000
    max_concurrency: int = 64
    results_mb: int = 1000
    timeout_s: int = 300
    allow_urls: bool = False
    allow_private_urls: bool = False
    url_timeout_s: int = 30
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_positive(
            self,
            "upload_mb",
            "megapixels",
            "decoded_mb",
            "memory_mb",
            "max_concurrency",
            "results_mb",
            "timeout_s",
            "url_timeout_s",
        )
        object.__setattr__(self, "allowed_hosts", tuple(self.allowed_hosts))  # lists in configuration files

    @property
    def longest_s(self) -> int:
        """Seconds after which a request of any kind is ended, more than `timeout_s`, which has a better message."""
        return self.timeout_s + 30


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        models: Source of each model by its name: a checkpoint, a run's directory, or `registry:…`.
        max_models: Models that one process holds at a time; the least recently used is unloaded first.
        replicas: Most processes with networks.
        batch_tiles: Most tiles in a forward pass.
        batch_wait_ms: How long the first of them waits for others, milliseconds.
        samples: Folder of images that the page offers.
        backend: What computes networks, as `engine.backend`.
        precision: In which number format, as `engine.precision`.
        limits: Limits of requests.
        jobs: Where maps of areas are kept, and their limits; None if the server makes none.
    """

    models: dict[str, str]
    max_models: int = 3
    replicas: int = 1
    batch_tiles: int = 16
    batch_wait_ms: float = 5
    samples: str | None = None
    backend: str = "auto"
    precision: str = "auto"
    limits: RequestLimits = field(default_factory=RequestLimits)
    jobs: JobSettings | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("no model is named; expected a checkpoint, a run's directory, or registry:MODEL/SIZE")
        _check_positive(self, "max_models", "replicas", "batch_tiles")

    @property
    def default_model(self) -> str:
        """Name of the model for requests that do not name one: the first."""
        return next(iter(self.models))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a configuration file."""
        values = asdict(self)
        values["limits"]["allowed_hosts"] = list(self.limits.allowed_hosts)
        return values

    def http_options(self, host: str, port: int) -> dict[str, Any]:
        """Return options of Ray Serve's proxy; its time limit is longer than that of the server."""
        return {"host": host, "port": port, "request_timeout_s": self.limits.longest_s}


def server_settings_from_dict(values: dict[str, Any]) -> ServerSettings:
    """Build settings from plain values, as `ServerSettings.to_dict` returns them; missing ones get their defaults.

    Raises:
        ConfigError: A key is unknown, or a value out of range.
    """
    try:
        limits, jobs = RequestLimits(**values.get("limits") or {}), values.get("jobs")
        return ServerSettings(**(values | {"limits": limits, "jobs": JobSettings(**jobs) if jobs else None}))
    except TypeError as error:
        raise ConfigError(f"the server's arguments do not fit: {error}") from error


def build_serve_config(settings: ServerSettings, host: str, port: int) -> str:
    """Return YAML for `serve deploy` and `serve run`, and for `serveConfigV2` of KubeRay; does not need Ray."""
    import yaml  # for this function only

    application = {
        "name": APPLICATION_NAME,
        "route_prefix": "/",
        "import_path": "instageo.serving.app:application",
        "args": settings.to_dict(),
    }
    config = {
        "proxy_location": "EveryNode",
        "http_options": settings.http_options(host, port),
        "applications": [application],
    }
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
    return text


def _check_positive(settings: RequestLimits | ServerSettings, *names: str) -> None:
    for name in names:
        if (value := getattr(settings, name)) < 1:
            raise ConfigError(f"{option_flag(name)} is {value}; expected 1 or more")
