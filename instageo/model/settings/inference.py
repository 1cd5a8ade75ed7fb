"""Settings of prediction on many machines: the group `ray`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.checks import check
from instageo.model.settings.fields import setting


class Engine(Enum):
    """Where chips are predicted: in this process, or by processes on Ray."""

    local = "local"
    ray = "ray"


@dataclass
class RaySettings:
    """Processes with the network, and where they run."""

    address: str | None = setting(None, "of a running cluster: auto or HOST:6379; null: this machine alone")
    num_workers: int | None = setting(
        None, "worker processes; null: one for each GPU, or one for each machine without a GPU", former_name="workers"
    )
    max_retries: int = setting(2, "further attempts for a chip whose worker process was killed")

    def __post_init__(self) -> None:
        client = self.address is not None and self.address.startswith("ray://")
        check(not client, "ray.address", self.address, "auto or HOST:6379, on one of the cluster's machines")
        check(
            self.num_workers is None or self.num_workers >= 1,
            "ray.num_workers",
            self.num_workers,
            "null, or at least 1 process",
        )
        check(self.max_retries >= 0, "ray.max_retries", self.max_retries, "0 or more")
