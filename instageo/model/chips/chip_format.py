"""How chips are read: which layers of a file are expected, what its names and tags mean, and their unit."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instageo.model.chips.radar import to_decibels
from instageo.sensors import REFLECTANCE_UNIT

Float = TypeVar("Float", np.float32, np.float64)

LayerScaling = tuple[tuple[float, float], ...]
"""Factor and offset of each layer that is read, time-major, in place of those in the settings."""


@dataclass(frozen=True)
class LayerRules:
    """What is expected of the layers of a file; without rules any layers are taken as they are.

    Attributes:
        band_names: Names of the bands of one date; empty if they have none.
        num_layers: Layers that a file must have; None for any number.
        because: Why that number is expected, for messages.
        sensor: Product whose codes the file may use as names, a key of `SENSORS`; None if it is unknown.
        by_name: True to choose layers by their names, False to ignore names, None to refuse names that contradict.
        bands_given: Whether the user listed the layers, so that names that contradict are only reported.
        scale_tags: `auto`, `apply` or `ignore`; see `read_scale_tags`.
        tag_factor: Factor from the physical values that tags give to the unit of the network's mean and std, as in
            training; None if it is unknown.
    """

    band_names: tuple[str, ...] = ()
    num_layers: int | None = None
    because: str = ""
    sensor: str | None = None
    by_name: bool | None = None
    bands_given: bool = False
    scale_tags: str = "auto"
    tag_factor: float | None = None


@dataclass(frozen=True)
class ChipFormat:
    """How the layers of a file become dates and bands.

    Attributes:
        temporal_dim: Number of dates per chip.
        bands: 0-based positions in the file, time-major; None for all layers.
        no_data_value: Value that means "no observation", in addition to the file's no-data tag and NaN.
        multiplier: Factor that stored values are multiplied by.
        offset: Added after the multiplication.
        max_value: Larger scaled values are clipped to it; None for no limit.
        rules: What is expected of the layers.
        radar_unit: Unit of scaled radar backscatter, one of `RADAR_UNITS`; it becomes decibels. None for reflectance.
    """

    temporal_dim: int = 1
    bands: tuple[int, ...] | None = None
    no_data_value: float | None = None
    multiplier: float = 1.0
    offset: float = 0.0
    max_value: float | None = None
    rules: LayerRules = LayerRules()
    radar_unit: str | None = None

    @property
    def stored_key(self) -> tuple[object, ...]:
        """What decides which stored values are read, and which of them are observations, but not their unit."""
        rules = self.rules
        by_name = (rules.band_names, rules.sensor) if rules.by_name else None
        key: tuple[object, ...] = self.temporal_dim, self.bands, self.no_data_value, by_name
        if self.radar_unit is None:
            return key
        return *key, self.radar_unit, self.multiplier, self.offset, rules.scale_tags, rules.tag_factor

    @property
    def tag_factor(self) -> float:
        """Factor from physical values to scaled ones: reflectance x 10000 by default, radar backscatter as it is."""
        given_factor, unit = self.rules.tag_factor, 1.0 if self.radar_unit else REFLECTANCE_UNIT
        return unit * self.multiplier if given_factor is None else given_factor

    def rescale(
        self, values: NDArray[Float], valid: NDArray[np.bool_] | bool = True, scaling: LayerScaling | None = None
    ) -> NDArray[Float]:
        """Convert stored values, in place, to the unit of the network's mean and std; zeros stay where invalid.

        Args:
            values: Shape (C, T, H, W), or any shape without `scaling`.
            valid: Where the offset is added; it broadcasts to `values`.
            scaling: Factor and offset of each layer; None for those of the settings.
        """
        self.scale(values, valid, scaling)
        if self.radar_unit is not None:
            to_decibels(values, valid, self.radar_unit)
        if self.max_value is not None:
            np.minimum(values, values.dtype.type(self.max_value), out=values)
        return values

    def scale(
        self, values: NDArray[Float], valid: NDArray[np.bool_] | bool = True, scaling: LayerScaling | None = None
    ) -> NDArray[Float]:
        """Apply factor and offset alone, in place; arguments as in `rescale`."""
        dtype = values.dtype.type
        with np.errstate(over="ignore"):  # values that overflow are refused by `check_magnitude`
            if scaling is not None:
                pairs = np.array(scaling, dtype).reshape(self.temporal_dim, -1, 2)
                factors, offsets = pairs.transpose(2, 1, 0)[..., None, None]
                values *= factors
                np.add(values, offsets, out=values, where=valid)
            else:
                if self.multiplier != 1:
                    values *= dtype(self.multiplier)
                if self.offset:
                    np.add(values, dtype(self.offset), out=values, where=valid)
        return values
