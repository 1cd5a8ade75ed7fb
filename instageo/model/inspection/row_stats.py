"""What is known of each row of a table once it has been looked at, and a file that remembers it."""

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from instageo.model.chips.coordinates import Coordinates
from instageo.model.inspection.statistics import Moments
from instageo.table import Row

log = logging.getLogger(__name__)

FORMAT = 1
"""Of the file; others are not read."""


@dataclass(frozen=True)
class RowStats:
    """What one row holds.

    Attributes:
        layers: Layers of the file.
        height: Its rows.
        width: Its columns.
        dtype: Type of its values.
        temporal_coords: Year and day of year of each date; None where unknown.
        location_coords: Latitude and longitude, degrees; None where unknown.
        valid_pixels: Valid pixels over all dates; None where pixels were not looked at.
        class_counts: Labelled pixels per class; empty without classes.
        values: Moments of each band; None where nobody asked for them.
        target: Moments of a label of continuous values.
    """

    layers: int
    height: int
    width: int
    dtype: str = "int16"
    temporal_coords: tuple[tuple[float, float], ...] | None = None
    location_coords: tuple[float, float] | None = None
    valid_pixels: int | None = None
    class_counts: tuple[int, ...] = ()
    values: Moments | None = None
    target: Moments | None = None

    def coordinates(self, steps: int) -> Coordinates:
        """Time and place as the network takes them, NaN where unknown."""
        time = self.temporal_coords or ((math.nan, math.nan),) * steps
        place = self.location_coords or (math.nan, math.nan)
        return np.array(time, dtype=np.float32), np.array(place, dtype=np.float32)

    def to_plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(replace(self, values=None, target=None)) | {
            "values": moments_to_dict(self.values),
            "target": moments_to_dict(self.target),
        }

    @staticmethod
    def from_plain(content: Mapping[str, Any]) -> "RowStats":
        """The facts of such a dictionary."""
        time, place = content["temporal_coords"], content["location_coords"]
        read = {
            "temporal_coords": time and tuple((year, day) for year, day in time),
            "location_coords": place and tuple(place),
            "class_counts": tuple(content["class_counts"]),
            "values": _moments_from_dict(content["values"]),
            "target": _moments_from_dict(content["target"]),
        }
        return RowStats(**{**content, **read})


def moments_to_dict(moments: Moments | None) -> dict[str, Any] | None:
    """Moments as JSON holds them."""
    if moments is None:
        return None
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(moments).items()}


def _moments_from_dict(content: Mapping[str, Any] | None) -> Moments | None:
    if content is None:
        return None
    read: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return Moments(**read)


RowResult = RowStats | str
"""Facts on a row, or the reason why it cannot be used."""


class TransientError(str):
    """A reason that may pass while the file stays as it is, such as a store out of reach: it is not remembered."""


class StatsCache:
    """Facts on rows whose files have not changed since they were looked at.

    Args:
        path: A JSON file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text, self._known = self._read()

    @staticmethod
    def of(folder: Path, *about: object) -> "StatsCache":
        """The file in a folder for a table and the way it is read; `about` tells them apart."""
        return StatsCache(folder / f"{sha256(repr(about).encode()).hexdigest()[:24]}.json")

    def _read(self) -> tuple[str, dict[str, Any]]:
        with suppress(OSError, ValueError):
            text = self.path.read_text(encoding="utf-8")
            content = json.loads(text)
            if isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("rows"), dict):
                return text, content["rows"]
        return "", {}

    def get(self, row: Row, stamp: str) -> RowResult | None:
        """What is known of a row whose files have this stamp."""
        known = self._known.get(_key(row))
        if known is None or known[0] != stamp:
            return None
        return known[1] if isinstance(known[1], str) else RowStats.from_plain(known[1])

    def keep(self, rows: Sequence[Row], stamps: Sequence[str | None], found: Sequence[RowResult]) -> None:
        """Remember these rows, and these alone; a folder that cannot be written to is told of once and left."""
        known = {
            _key(row): [stamp, fact if isinstance(fact, str) else fact.to_plain()]
            for row, stamp, fact in zip(rows, stamps, found, strict=True)
            if stamp is not None and not isinstance(fact, TransientError)
        }
        text = json.dumps({"format": FORMAT, "rows": known})
        if text == self._text:
            return
        self._text, self._known = text, known
        temporary = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError as error:
            log.warning("the check cannot be remembered: %s: %s", self.path, error.strerror)
            with suppress(OSError):
                temporary.unlink()


def _key(row: Row) -> str:
    """Of a row; hashed, since URLs may hold keys."""
    return sha256(f"{row.input}|{row.label}|{row.dates}|{row.place}".encode()).hexdigest()[:32]
