"""Which column of a table holds what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instageo.errors import TableError, did_you_mean

NAMES = {
    "lat": ("lat", "latitude"),
    "lon": ("lon", "long", "lng", "longitude"),
    "y": ("y", "northing"),
    "x": ("x", "easting"),
    "date": ("date", "datetime", "time", "timestamp", "day"),
    "label": ("label", "class", "target"),
    "geometry": ("geometry", "geom", "wkt", "geojson"),
}
"""Names of each column in any case; the first one is preferred where a table has several."""


@dataclass(frozen=True)
class Columns:
    """Columns by what they hold.

    Attributes:
        names: The name in the table by the first name in `NAMES`.
        others: Columns that hold nothing of these.
    """

    names: Mapping[str, str]
    others: tuple[str, ...]

    def __getitem__(self, kind: str) -> str:
        return self.names[kind]

    def __contains__(self, kind: str) -> bool:
        return kind in self.names


def find_columns(table: str, columns: Sequence[str], needed: Sequence[Sequence[str]], label: str = "") -> Columns:
    """Find columns by their names.

    Args:
        table: The file, for messages.
        columns: Its columns.
        needed: Alternatives, the first complete one counts, such as (("lat", "lon", "date"), ("y", "x", "date")).
        label: Name of the column of labels; empty for the usual ones.

    Raises:
        TableError: A column is missing or ambiguous.
    """
    by_kind = {kind: name for kind in NAMES if (name := _find(table, columns, kind, label if kind == "label" else ""))}
    chosen = next((kinds for kinds in needed if all(kind in by_kind for kind in kinds)), None)
    if chosen is None:
        most = max(needed, key=lambda kinds: sum(kind in by_kind for kind in kinds))
        missing = [kind for kind in most if kind not in by_kind]
        first = did_you_mean(missing[0], [name for name in columns if name not in by_kind.values()])
        requested = " or ".join("+".join(kinds) for kinds in needed)
        raise TableError(
            f"{table}: no column '{missing[0]}'; found {', '.join(columns)}; expected {requested}, and label{first}"
        )
    names = {kind: by_kind[kind] for kind in (*chosen, "label") if kind in by_kind}
    return Columns(names, tuple(name for name in columns if name and name not in names.values()))


def _find(table: str, columns: Sequence[str], kind: str, name: str) -> str | None:
    """Return the column of a kind, or None."""
    if name:
        if name not in columns:
            raise TableError(f"{table}: no column '{name}'; found {', '.join(columns)}{did_you_mean(name, columns)}")
        return name
    for accepted in ((NAMES[kind][0],), NAMES[kind]):
        matches = [column for column in columns if column.strip().lower() in accepted]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise TableError(
                f"{table}: the columns {' and '.join(matches)} could both be '{kind}'; rename or remove one"
            )
    return None
