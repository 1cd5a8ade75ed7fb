"""Energy and CO2 of a run, by codecarbon: offline, started once and stopped once, writing and saying nothing itself."""

import logging
from typing import Any

from instageo.errors import ConfigError, MissingExtraError

PARTS = ("cpu", "gpu", "ram")

UNKNOWN: dict[str, Any] = {"energy_kwh": None, "co2_kg": None, **{f"{part}_kwh": None for part in PARTS}}
"""What is told where nothing was measured."""

NOT_ASKED = UNKNOWN | {"reason": "not asked for; energy=true measures it"}


class EnergyMeter:
    """Measures the machine from `start` to `stop`, each of which is called once.

    codecarbon takes a sample every 15 seconds and at the end, and hands over the sums so far.

    Args:
        country: Three letters of ISO 3166 for the country whose electricity mix counts.

    Raises:
        MissingExtraError: codecarbon is not installed.
        ConfigError: It does not know the country.
    """

    def __init__(self, country: str) -> None:
        self._sums = EnergySums()
        self._tracker = build_energy_tracker(country, self._sums)

    def start(self) -> None:
        """Begin to measure; takes a second or two, in which codecarbon looks at the machine."""
        self._tracker.start()

    def stop(self) -> None:
        """Measure a last time."""
        self._tracker.stop()

    def so_far(self) -> dict[str, Any]:
        """Energy, kWh, and CO2 equivalents, kg, as of the newest sample; None where unknown, with the reason."""
        return energy_record(self._sums.total, describe_hardware(self._tracker))


class EnergySums:
    """Keeps the newest sums that codecarbon hands over; the methods are those it calls."""

    total: Any = None

    def out(self, total: Any, delta: Any) -> None:
        """Sums at the end."""
        self.total = total

    live_out = out

    def task_out(self, data: Any, experiment_name: str) -> None:
        """Sums of parts, of which there are none."""

    def exit(self) -> None:
        """No more will come."""


def build_energy_tracker(country: str, sums: EnergySums) -> Any:
    """An offline tracker without files and messages of its own, whatever `.codecarbon.config` files say."""
    try:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.input import DataSource
    except ImportError as error:
        raise MissingExtraError(
            f"energy=true needs {error.name}, which is not installed; install the extra: "
            "pip install 'instageo-model[energy]', or leave energy out"
        ) from error
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    known = DataSource().get_global_energy_mix_data()
    if country not in known:
        raise ConfigError(
            f"energy_country={country} is no country whose electricity codecarbon knows; expected three letters of "
            "ISO 3166, such as KEN or FRA"
        )
    return OfflineEmissionsTracker(
        country_iso_code=country, log_level="critical", allow_multiple_runs=True, tracking_mode="machine",
        output_methods=[], output_handlers=[sums], emissions_endpoint=None, api_call_interval=1,
    )  # fmt: skip


def describe_hardware(tracker: Any) -> list[str]:
    """How each part is measured, in codecarbon's words, such as `CPU(Cpu Load)` or `CPU(Intel RAPL)`."""
    found: list[str] = getattr(tracker, "_conf", {}).get("hardware", [])
    return list(found)


def energy_record(total: Any, hardware: list[str]) -> dict[str, Any]:
    """What `run.json` tells of codecarbon's sums."""
    if total is None:
        return UNKNOWN | {"reason": "codecarbon could not measure this machine"}
    measured = {part: any(part.upper() in name.upper() for name in hardware) for part in PARTS}
    parts = {f"{part}_kwh": getattr(total, f"{part}_energy") if measured[part] else None for part in PARTS}
    unmeasured = [part for part in PARTS if not measured[part]]
    return {
        "energy_kwh": total.energy_consumed,
        "co2_kg": total.emissions,
        **parts,
        "reason": f"codecarbon finds no {' and no '.join(unmeasured)} to measure" if unmeasured else None,
        "country": total.country_iso_code,
        "seconds": round(total.duration, 3),
        "measured_by": f"codecarbon {total.codecarbon_version}: {', '.join(hardware)}",
    }
