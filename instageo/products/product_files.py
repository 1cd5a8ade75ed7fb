"""The files of one satellite product at one date."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class ProductFiles:
    """The files of one satellite product at one date; reflectance x 10000 is stored value * scale + offset.

    Attributes:
        sensor: Key of `SENSORS`.
        bands: Path of each band, by names of `instageo.sensors`; as GDAL opens it, so below `/vsizip/` in archives.
        quality: Path of the quality layer; None without one.
        date: Day of the image; None if no name says it.
        scale: Factor of each band of `bands`.
        offset: What is added after the factor, for each band of `bands`.
        is_offset_known: False where files of this kind exist with and without an offset and nothing says which these
            are; `offset` is 0 then.
    """

    sensor: str
    bands: Mapping[str, str]
    quality: str | None
    date: date | None
    scale: Mapping[str, float]
    offset: Mapping[str, float]
    is_offset_known: bool = True

    def __post_init__(self) -> None:
        if not set(self.bands) == set(self.scale) == set(self.offset):
            raise ValueError(f"scale {set(self.scale)} and offset {set(self.offset)}; expected both {set(self.bands)}")
