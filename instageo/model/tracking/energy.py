"""Energy and CO2 of a run, measured by codecarbon: offline, started once, stopped once, without files or messages."""

import logging
from typing import Any

from instageo.errors import ConfigError
from instageo.extras import required_by

PARTS = ("cpu", "gpu", "ram")

UNMEASURED: dict[str, Any] = {"energy_kwh": None, "co2_kg": None, **{f"{part}_kwh": None for part in PARTS}}
"""Energy fields of `run.json` if nothing was measured."""

NOT_REQUESTED = UNMEASURED | {"reason": "not requested; energy=true measures it"}


class EnergyMeter:
    """Measures the machine from `start` to `stop`, each of which is called once.

    codecarbon takes a sample every 15 seconds and at the end, and reports the sums up to then.

    Args:
        country: ISO 3166 code (three letters) of the country whose electricity mix is used.

    Raises:
        MissingExtraError: codecarbon is not installed.
        ConfigError: codecarbon has no data on the country.
    """

    def __init__(self, country: str) -> None:
        self._sums = EnergySums()
        self._tracker = build_energy_tracker(country, self._sums)

    def start(self) -> None:
        """Start measuring; takes a second or two, in which codecarbon inspects the machine."""
        self._tracker.start()

    def stop(self) -> None:
        """Take the last sample and stop."""
        self._tracker.stop()

    def summarize(self) -> dict[str, Any]:
        """Return energy in kWh and CO2 equivalents in kg up to the newest sample, as `run.json` stores them."""
        # codecarbon has no public attribute for how it measures
        hardware = getattr(self._tracker, "_conf", {}).get("hardware", [])
        return summarize_energy(self._sums.total, list(hardware))


class EnergySums:
    """An output handler that keeps the newest sums; the methods are those codecarbon calls."""

    total: Any = None

    def out(self, total: Any, delta: Any) -> None:
        """Keep the sums at the end."""
        self.total = total

    live_out = out

    def task_out(self, data: Any, experiment_name: str) -> None:
        """Ignore the sums of tasks; none is started."""

    def exit(self) -> None:
        """Do nothing; there is nothing to close."""


def build_energy_tracker(country: str, sums: EnergySums) -> Any:
    """Return an offline codecarbon tracker without files or messages, whatever `.codecarbon.config` files say."""
    with required_by("energy=true", "energy"):
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.input import DataSource
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    if country not in DataSource().get_global_energy_mix_data():
        raise ConfigError(
            f"energy_country={country} is not a country whose electricity mix codecarbon has; expected three letters "
            "of ISO 3166, such as KEN or FRA"
        )
    return OfflineEmissionsTracker(
        country_iso_code=country, log_level="critical", allow_multiple_runs=True, tracking_mode="machine",
        output_methods=[], output_handlers=[sums], emissions_endpoint=None, api_call_interval=1,
    )  # fmt: skip


def summarize_energy(total: Any, hardware: list[str]) -> dict[str, Any]:
    """Return the energy fields of `run.json`; a part that was not measured is None, and `reason` says why.

    Args:
        total: codecarbon's sums; None if it measured nothing.
        hardware: How each part is measured, in codecarbon's words, such as `CPU(Cpu Load)` or `CPU(Intel RAPL)`.
    """
    if total is None:
        return UNMEASURED | {"reason": "codecarbon could not measure this machine"}
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
