"""Settings of prediction on many machines: the group `ray`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.checks import check


class Engine(Enum):
    """Where chips are predicted: in this process, or by processes on Ray."""

    local = "local"
    ray = "ray"


@dataclass
class RaySettings:
    """Processes with the network, and where they run."""

    address: str | None = None  # of a running cluster: auto or HOST:6379; None: this machine alone
    workers: int | None = None  # None: one for each GPU, or for each machine without any
    tries: int = 3  # of chips whose process was ended from outside

    def __post_init__(self) -> None:
        client = self.address is not None and self.address.startswith("ray://")
        check(not client, "ray.address", self.address, "auto or HOST:6379, on one of the cluster's machines")
        check(self.workers is None or self.workers >= 1, "ray.workers", self.workers, "null, or at least 1 process")
        check(self.tries >= 1, "ray.tries", self.tries, "at least 1")
