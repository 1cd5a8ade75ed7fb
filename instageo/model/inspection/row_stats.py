"""Statistics of each row of a table, and a file that keeps them until the row's files change."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from instageo.errors import WriteError
from instageo.files import write_text
from instageo.model.chips.chip_format import LayerScaling
from instageo.model.chips.dates_and_location import Coordinates
from instageo.model.inspection.statistics import Moments
from instageo.table import Row

log = logging.getLogger(__name__)

FORMAT = 6
"""Version of the file; files of other versions are ignored."""


@dataclass(frozen=True)
class RowStats:
    """Statistics of one row.

    Attributes:
        num_layers: Number of layers of the file, without a layer that is a mask.
        height: Rows of its pixels.
        width: Columns of its pixels.
        dtype: Type of its values.
        temporal_coords: Year and day of year of each date; None if unknown.
        location_coords: Latitude and longitude, degrees; None if unknown.
        valid_pixels: Number of valid pixels over all dates; None if pixels were not read.
        class_counts: Labelled pixels per class; empty without classes.
        band_moments: Moments of each band; None if they were not requested.
        label_moments: Moments of a label of continuous values and, if requested, of log(1 + label).
        mask_kind: What holds the chip's own mask: internal, side-car, NODATA_VALUES or alpha; None without one.
        notes: Sentences on what the files say and what does not count.
        layers: 0-based layers that are read, time-major.
        scaling: Factor and offset of each layer in place of those in the settings; None for those of the settings.
        tag_factor: Factor from the values that the file's scale tags give to the unit of the chips; None without tags.
        corners: Longitude and latitude of the file's corners, in order, degrees; None if it has no georeference.
    """

    num_layers: int
    height: int
    width: int
    dtype: str = "int16"
    temporal_coords: tuple[tuple[float, float], ...] | None = None
    location_coords: tuple[float, float] | None = None
    valid_pixels: int | None = None
    class_counts: tuple[int, ...] = ()
    band_moments: Moments | None = None
    label_moments: Moments | None = None
    mask_kind: str | None = None
    notes: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    scaling: LayerScaling | None = None
    tag_factor: float | None = None
    corners: tuple[tuple[float, float], ...] | None = None

    def coordinates(self, num_dates: int) -> Coordinates:
        """Return dates and location as the network takes them, NaN where unknown."""
        temporal = self.temporal_coords or ((math.nan, math.nan),) * num_dates
        location = self.location_coords or (math.nan, math.nan)
        return np.array(temporal, dtype=np.float32), np.array(location, dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON can hold them."""
        return asdict(replace(self, band_moments=None, label_moments=None)) | {
            "band_moments": self.band_moments and self.band_moments.to_dict(),
            "label_moments": self.label_moments and self.label_moments.to_dict(),
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "RowStats":
        """Return the statistics that `to_dict` was called on."""
        temporal, location = content["temporal_coords"], content["location_coords"]
        converted = {
            "temporal_coords": temporal and tuple((year, day) for year, day in temporal),
            "location_coords": location and tuple(location),
            "corners": content["corners"]
            and tuple((longitude, latitude) for longitude, latitude in content["corners"]),
            "class_counts": tuple(content["class_counts"]),
            "layers": tuple(content["layers"]),
            "scaling": content["scaling"] and tuple((factor, offset) for factor, offset in content["scaling"]),
            "notes": tuple(content["notes"]),
            "band_moments": content["band_moments"] and Moments.from_dict(content["band_moments"]),
            "label_moments": content["label_moments"] and Moments.from_dict(content["label_moments"]),
        }
        return RowStats(**{**content, **converted})


RowResult = RowStats | str
"""Statistics of a row, or the reason why it cannot be used."""


class TransientError(str):
    """A reason that may pass without a change of the file, such as an unreachable store; it is not cached."""


class StatsCache:
    """Statistics of rows whose files have not changed since they were inspected.

    Args:
        path: A file of two lines of JSON, a checksum and the results; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text, self._entries = self._read()

    @staticmethod
    def for_table(folder: Path, *key: object) -> "StatsCache":
        """Return the cache in a folder for one table and one way of reading it, which `key` identifies."""
        return StatsCache(folder / f"{sha256(repr(key).encode()).hexdigest()[:24]}.json")

    def get(self, row: Row, stamp: str) -> RowResult | None:
        """Return the cached result for a row whose files have this stamp, or None."""
        entry = self._entries.get(_row_key(row))
        if entry is None or entry[0] != stamp:
            return None
        return entry[1] if isinstance(entry[1], str) else RowStats.from_dict(entry[1])

    def update(self, rows: Sequence[Row], stamps: Sequence[str | None], results: Sequence[RowResult]) -> None:
        """Replace the content by the results for these rows; warn if the file cannot be written."""
        entries = {
            _row_key(row): [stamp, result if isinstance(result, str) else result.to_dict()]
            for row, stamp, result in zip(rows, stamps, results, strict=True)
            if stamp is not None and not isinstance(result, TransientError)
        }
        body = json.dumps(entries)
        text = f"{_header(body)}\n{body}"
        if text == self._text:
            return
        self._text, self._entries = text, entries
        try:
            write_text(self.path, text)
        except WriteError as error:
            log.warning("cannot cache the check of a table: %s", error)

    def _read(self) -> tuple[str, dict[str, Any]]:
        with suppress(OSError, ValueError):
            text = self.path.read_text(encoding="utf-8")
            header, _, body = text.partition("\n")
            if header == _header(body):
                return text, json.loads(body)
        return "", {}


def _header(body: str) -> str:
    """Return the first line of a file: its format and the checksum of the rest, which shows damage."""
    return json.dumps({"format": FORMAT, "sha256": sha256(body.encode()).hexdigest()})


def _row_key(row: Row) -> str:
    """Return the key of a row; hashed, since URLs may contain access keys."""
    return sha256(f"{row.input}|{row.label}|{row.dates}|{row.lat_lon}".encode()).hexdigest()[:32]
