"""Settings of a server's jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import ConfigError, did_you_mean

LIMITS = ("area_km2", "days", "queue", "per_client", "running", "hours", "disk_gb", "keep_days", "memory_mb")
"""Names of the limits, in `--jobs-limit NAME=NUMBER` and in `JobSettings`."""


@dataclass(frozen=True)
class JobSettings:
    """Where jobs are kept, and their limits.

    Attributes:
        folder: Folder of all jobs, of one server alone.
        area_km2: Largest area of a job, km².
        days: Largest number of days of a job, the sum over its dates.
        queue: Largest number of jobs that wait.
        per_client: Largest number of jobs of a client that wait or run.
        running: Jobs that run at a time.
        hours: Hours after which a job is stopped.
        disk_gb: Disk space for the files of all jobs, GB; the oldest finished ones are removed.
        keep_days: Days after which a finished job and its files are removed.
        memory_mb: Memory of a job beyond that of its network, MB.
        allow_catalog_urls: Whether requests may name catalogues by URL.
        allow_private_catalogs: Whether such a URL may name a private host, such as one in the server's network.
    """

    folder: str
    area_km2: int = 50_000
    days: int = 120
    queue: int = 20
    per_client: int = 5
    running: int = 1
    hours: int = 24
    disk_gb: int = 50
    keep_days: int = 30
    memory_mb: int = 1000
    allow_catalog_urls: bool = False
    allow_private_catalogs: bool = False

    def __post_init__(self) -> None:
        if not self.folder:
            raise ConfigError("--jobs-dir is empty; expected a folder")
        for name in LIMITS:
            if (value := getattr(self, name)) < 1:
                raise ConfigError(f"--jobs-limit {name}={value} does not work; expected 1 or more")


def job_settings_from_options(
    folder: Path | None, limits: Sequence[str], *, allow_urls: bool = False, allow_private: bool = False
) -> JobSettings | None:
    """Return the settings of jobs; None if the server keeps none.

    Args:
        folder: Folder of all jobs; None to keep none.
        limits: `NAME=NUMBER` for each limit that is not the default.
        allow_urls: Whether requests may name catalogues by URL.
        allow_private: Whether such a URL may name a private host.

    Raises:
        ConfigError: A limit is unknown or not a number, or there are limits without a folder.
    """
    if folder is None:
        if limits or allow_urls:
            raise ConfigError(
                "--jobs-limit and --allow-catalog-urls need --jobs-dir FOLDER, which enables maps of areas"
            )
        return None
    numbers = {}
    for text in limits:
        name, _, value = text.partition("=")
        if name not in LIMITS:
            raise ConfigError(
                f"--jobs-limit {text}: unknown; expected NAME=NUMBER with one of {', '.join(LIMITS)}"
                f"{did_you_mean(name, LIMITS)}"
            )
        if not value.isascii() or not value.isdigit() or len(value) > 12:
            raise ConfigError(f"--jobs-limit {text} does not work; expected a whole number, such as {name}=10")
        numbers[name] = int(value)
    return JobSettings(
        str(folder.expanduser().absolute()),
        **numbers,
        allow_catalog_urls=allow_urls,
        allow_private_catalogs=allow_private,
    )
