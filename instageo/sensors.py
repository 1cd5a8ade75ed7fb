"""Bands by name: the bands of the Prithvi weights, and the layers of common satellite products.

To add a sensor, add a row to `SENSORS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from instageo.errors import ConfigError, did_you_mean

PRITHVI_BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")
"""The six bands that the published Prithvi weights were trained on, in their order."""

PRITHVI_RGB = (2, 1, 0)
"""Positions of red, green and blue in `PRITHVI_BANDS`."""

PRITHVI_STATISTICS = {
    "v1": (
        (775.2290, 1080.9928, 1228.5856, 2497.2023, 2204.2139, 1610.8325),
        (1281.5261, 1270.0298, 1399.4803, 1368.3446, 1291.6764, 1154.5057),
    ),
    "v2": ((1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0), (2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0)),
}
"""Mean and standard deviation of the pre-training data of each generation, reflectance x 10000, in the order of
`PRITHVI_BANDS`."""

WAVELENGTHS_UM = {
    "COASTAL_AEROSOL": 0.443, "BLUE": 0.490, "GREEN": 0.560, "RED": 0.665, "RED_EDGE_1": 0.705, "RED_EDGE_2": 0.740,
    "RED_EDGE_3": 0.783, "NIR_BROAD": 0.842, "NIR_NARROW": 0.865, "WATER_VAPOR": 0.945, "CIRRUS": 1.375,
    "SWIR_1": 1.610, "SWIR_2": 2.190,
}  # fmt: skip
"""Central wavelength of each reflective band, micrometres (those of the MSI of Sentinel-2)."""

MAX_REFLECTANCE = 2.0
"""Means of bands up to this value are of reflectance in 0..1, larger ones of reflectance x 10000."""

LEVELS = ("surface", "toa")
"""Processing levels of reflectance: at the surface, or at the top of the atmosphere."""


REFLECTANCE_UNIT = 10_000.0
"""The program's unit is reflectance times this."""

RADAR_UNITS = ("linear", "db")
"""Units of radar backscatter in files: power, or decibels, 10 log10(power)."""

RADAR_RANGE_DB = (-50.0, 10.0)
"""Backscatter that a network sees, decibels; values beyond are clipped.

The lower end is far below the noise of the instrument, at most -22 dB by ESA's specification of Sentinel-1 (its
noise-equivalent sigma zero); above the upper end are few but strong reflectors, such as ships and buildings.
"""

RADAR_FILL_DB = -1000.0
"""Decibels up to which a value is a fill value, such as -9999 and -32768, whatever no-data value is declared."""


@dataclass(frozen=True)
class Sensor:
    """Layers of a satellite product, as its provider stacks them.

    Attributes:
        band_codes: The provider's names for the layers of one date, in the order of the product.
        bands: Spectral bands, or polarisations, of the same layers.
        scale: Factor from stored values to reflectance x 10000, or to `radar_unit`.
        offset: Added after the factor.
        no_data_value: Value that means "no observation".
        level: `surface` for reflectance at the surface, `toa` for reflectance at the top of the atmosphere; None for
            radar.
        radar_unit: One of `RADAR_UNITS` for radar backscatter; None for reflectance.
    """

    band_codes: tuple[str, ...]
    bands: tuple[str, ...]
    scale: float = 1.0
    offset: float = 0.0
    no_data_value: float = 0.0
    level: str | None = "surface"
    radar_unit: str | None = None

    def __post_init__(self) -> None:
        if len(self.band_codes) != len(self.bands):
            raise ValueError(f"{len(self.band_codes)} codes for {len(self.bands)} bands")

    def band_index(self, name: str) -> int:
        """Return the 0-based position of a band among the layers of one date.

        Args:
            name: Name of the band, or the provider's code for it.

        Raises:
            ConfigError: The sensor has no such band.
        """
        for names in (self.bands, self.band_codes):
            if name in names:
                return names.index(name)
        available = ", ".join(f"{band} ({code})" for band, code in zip(self.bands, self.band_codes, strict=True))
        raise ConfigError(f"dataloader.band_names: the sensor has no band {name}; it has {available}")

    def layer_indices(self, names: Sequence[str], num_dates: int) -> list[int]:
        """Return the 0-based layers of these bands in a file with all layers of each date, one date after another."""
        return [date * len(self.bands) + self.band_index(name) for date in range(num_dates) for name in names]


_MSI = {
    "B01": "COASTAL_AEROSOL", "B02": "BLUE", "B03": "GREEN", "B04": "RED", "B05": "RED_EDGE_1", "B06": "RED_EDGE_2",
    "B07": "RED_EDGE_3", "B08": "NIR_BROAD", "B8A": "NIR_NARROW", "B09": "WATER_VAPOR", "B10": "CIRRUS",
    "B11": "SWIR_1", "B12": "SWIR_2",
}  # fmt: skip
_OLI = {
    "B01": "COASTAL_AEROSOL", "B02": "BLUE", "B03": "GREEN", "B04": "RED", "B05": "NIR_NARROW", "B06": "SWIR_1",
    "B07": "SWIR_2", "B09": "CIRRUS", "B10": "THERMAL_1", "B11": "THERMAL_2",
}  # fmt: skip
_OLI_SR = {f"SR_B{int(code[1:])}": band for code, band in list(_OLI.items())[:7]}
_S1 = ("VV", "VH")
_TM_SR = dict(zip(("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"), PRITHVI_BANDS, strict=True))


def _sensor(
    layers: dict[str, str],
    scale: float = 1.0,
    offset: float = 0.0,
    no_data_value: float = 0.0,
    level: str = "surface",
) -> Sensor:
    return Sensor(tuple(layers), tuple(layers.values()), scale, offset, no_data_value, level)


SENSORS = {
    "hls_s30": _sensor(_MSI, no_data_value=-9999),
    "hls_l30": _sensor(_OLI, no_data_value=-9999),
    "sentinel2_l1c": _sensor(_MSI, level="toa"),
    "sentinel2_l2a": _sensor({code: band for code, band in _MSI.items() if code != "B10"}),
    "landsat5_c2": _sensor(_TM_SR, scale=0.275, offset=-2000),
    "landsat7_c2": _sensor(_TM_SR, scale=0.275, offset=-2000),
    "landsat8_c2": _sensor(_OLI_SR, scale=0.275, offset=-2000),
    "landsat9_c2": _sensor(_OLI_SR, scale=0.275, offset=-2000),
    "sentinel1_rtc": Sensor(_S1, _S1, no_data_value=-9999, level=None, radar_unit="linear"),
    "sentinel1_grd": Sensor(_S1, _S1, no_data_value=-9999, level=None, radar_unit="db"),
}
"""Products by the value of `dataloader.sensor`.

- Landsat: Collection 2 Level-2 surface reflectance (USGS: 0.0000275 x value - 0.2); the near infrared band of TM and
  ETM+ is used as NIR_NARROW.
- Sentinel-2: values harmonised to the scale used before processing baseline 04.00; for later products that are not
  harmonised, set `dataloader.constant_offset=-1000`.
- Sentinel-1, with the two polarisations over land: `sentinel1_rtc` is gamma nought, terrain-corrected, as power
  (Microsoft's Planetary Computer), `sentinel1_grd` sigma nought in decibels (COPERNICUS/S1_GRD of Google Earth Engine);
  `dataloader.radar_unit` says so if a file has the other unit.
"""


def find_sensor(name: str, setting: str = "dataloader.sensor") -> Sensor:
    """Return the sensor with a name of `SENSORS`; `setting` is what a message calls the setting that names it.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in SENSORS:
        raise ConfigError(
            f"{setting}={name} is unknown; choose one of {', '.join(SENSORS)}{did_you_mean(name, SENSORS)}"
        )
    return SENSORS[name]
