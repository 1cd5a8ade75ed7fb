"""What a speed test says: chips per second, shares of the time, and the cost of an area."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from instageo.model.backends.cpu_features import cpu_features, cpu_name, describe_features
from instageo.model.speed_test.measurement import SpeedTest
from instageo.version import __version__

AREA_KM2 = 1e6
"""Area whose cost is computed."""


@dataclass(frozen=True)
class BackendReport:
    """Figures of one backend and precision.

    Attributes:
        backend: Runtime.
        precision: Number format.
        network: Chips of ground per second of the network alone, on all threads.
        total: Chips of ground per second of a map: the threads read, compute and write.
        shares: Shares of the threads' time: reading, network, writing.
        agreement: Share of pixels that mean the same as PyTorch's in float32.
        hours: Hours for a million km²; None where the pixel size is unknown.
        cost: Cost of a million km²; None without a price.
    """

    backend: str
    precision: str
    network: float
    total: float
    shares: dict[str, float]
    agreement: float
    hours: float | None
    cost: float | None


def report_backends(test: SpeedTest, price_per_hour: float | None) -> list[BackendReport]:
    """Return the figures of each backend.

    Reading and writing take a core each; the network takes all threads. Where they share the threads, a chip takes the
    sum of their core seconds divided by the number of threads.

    Args:
        test: What was measured.
        price_per_hour: Price of an hour of this machine.
    """
    reports = []
    for figures in test.networks:
        network = figures.chips_per_s * test.share_new
        core_seconds = {"reading": 1 / test.reading, "network": test.threads / network, "writing": 1 / test.writing}
        total = test.threads / sum(core_seconds.values())
        shares = {name: value / sum(core_seconds.values()) for name, value in core_seconds.items()}
        hours = None
        if test.resolution_m is not None:
            chip_km2 = test.tile[0] * test.tile[1] * test.resolution_m**2 / 1e6
            hours = AREA_KM2 / chip_km2 / total / 3600
        cost = None if hours is None or price_per_hour is None else hours * price_per_hour
        agreement = figures.agreement
        reports.append(BackendReport(*figures.choice, network, total, shares, agreement, hours, cost))
    return reports


def speed_json(test: SpeedTest, reports: list[BackendReport]) -> str:
    """Return everything as JSON."""
    content: dict[str, Any] = {
        "version": __version__,
        "cpu": cpu_name(),
        "features": sorted(cpu_features()),
        "threads": test.threads,
        "tile": list(test.tile),
        "resolution_m": test.resolution_m,
        "reading_chips_per_s": test.reading,
        "writing_chips_per_s": test.writing,
        "backends": [asdict(report) for report in reports],
        "not_measured": test.failures,
    }
    return json.dumps(content, indent=2)


def print_speed(test: SpeedTest, reports: list[BackendReport]) -> None:
    """Print a table."""
    height, width = test.tile
    table = Table(
        title=f"chips of {height} x {width} pixels of ground a second, {test.threads} threads, {cpu_name()} "
        f"({describe_features(cpu_features())})"
    )
    columns = [
        "backend",
        "network",
        "map",
        "share of reading, network, writing",
        "as PyTorch",
        "hours per 1 million km²",
    ]
    with_cost = any(report.cost is not None for report in reports)
    for name in [*columns, *(["cost"] if with_cost else [])]:
        table.add_column(name, justify="left" if name == "backend" else "right", no_wrap=name == "backend")
    for report in reports:
        shares = ", ".join(f"{share:.0%}" for share in report.shares.values())
        row = [
            f"{report.backend} {report.precision}",
            f"{report.network:.1f}",
            f"{report.total:.1f}",
            shares,
            f"{report.agreement:.2%}",
            "" if report.hours is None else f"{report.hours:.1f}",
        ]
        table.add_row(*row, *([f"{report.cost:.2f}"] if report.cost is not None else []))
    console = Console()
    console.print(table)
    console.print(f"reading {test.reading:.0f}, writing {test.writing:.0f} chips a second and thread")
    for name, reason in test.failures.items():
        console.print(f"{name} was not measured: {reason}", highlight=False)
