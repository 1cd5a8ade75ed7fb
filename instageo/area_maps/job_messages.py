"""What a server and the process of a job say to each other: one JSON object per line, on standard input and output."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from instageo.area_maps.request import AreaOutput, AreaRequest, Days
from instageo.errors import ConfigError


@dataclass(frozen=True)
class JobOrder:
    """What a process is to do.

    Attributes:
        command: `run` for maps, or `plan` for their plan alone.
        model: Checkpoint, folder of a run, or `registry:…`.
        requests: The area, the days and the images, by the name of their period; see `divide_periods`.
        output: Where and how maps are written.
    """

    command: str
    model: str
    requests: Mapping[str, AreaRequest]
    output: AreaOutput

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        output = asdict(self.output) | {"folder": str(self.output.folder)}
        return {
            "command": self.command,
            "model": self.model,
            "requests": {name: request_to_json(request) for name, request in self.requests.items()},
            "output": output,
        }


def order_from_json(values: dict[str, Any]) -> JobOrder:
    """Return an order from the values of `JobOrder.to_json`.

    Raises:
        ConfigError: A value is missing, unknown or out of range.
    """
    try:
        output = values["output"]
        return JobOrder(
            values["command"],
            values["model"],
            {name: request_from_json(request) for name, request in values["requests"].items()},
            AreaOutput(**(output | {"folder": Path(output["folder"])})),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the order of a job does not fit: {error!r}") from error


def request_to_json(request: AreaRequest) -> dict[str, Any]:
    """Return plain values of a request; days are pairs of ISO dates."""
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    return values | {
        "days": [[str(days.first), str(days.last)] for days in request.days],
        "mask": None if request.mask is None else list(request.mask),
    }


def request_from_json(values: dict[str, Any]) -> AreaRequest:
    """Return a request from the values of `request_to_json`; raises KeyError, TypeError or ValueError."""
    days = tuple(Days(date.fromisoformat(first), date.fromisoformat(last)) for first, last in values["days"])
    mask = None if values["mask"] is None else tuple(values["mask"])
    return AreaRequest(**(values | {"days": days, "mask": mask}))
