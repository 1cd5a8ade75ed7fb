"""Settings of scoring, maps and batch inference: the groups `test` and `ray`, and the key `engine`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.fields import check, setting


class Engine(Enum):
    """Engines of batch inference: this process, or worker processes on Ray."""

    local = "local"
    ray = "ray"


@dataclass
class RaySettings:
    """Settings of the worker processes and their cluster."""

    address: str | None = setting(
        None, "address of a running cluster: auto or HOST:6379; null: start Ray on this machine"
    )
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


@dataclass
class TestSettings:
    """Settings of scoring and inference: the group `test`."""

    __test__ = False  # not a test case

    img_size: int | None = setting(
        None, "accepted for compatibility, has no effect: inputs of any size are mapped whole"
    )
    crop_size: int | None = setting(None, "side of a tile, pixels; null: the size of training")
    stride: int | None = setting(None, "step between tiles, pixels; null: half a tile")
    mask_cloud: bool = setting(
        False,
        "published name; clouds are not detected: true: pixels without an observation at any of the dates become "
        "no-data; false: only pixels without one at all dates",
    )

    def __post_init__(self) -> None:
        for name in ("crop_size", "stride"):
            value = getattr(self, name)
            check(value is None or value >= 1, f"test.{name}", value, "null, or at least 1 pixel")
        if self.crop_size is not None and self.stride is not None:
            what = f"at most test.crop_size={self.crop_size}, so that tiles leave no gap"
            check(self.stride <= self.crop_size, "test.stride", self.stride, what)
