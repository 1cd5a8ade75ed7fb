"""Frozen lists of items: what a search has found, so that a run can be repeated without the catalogue."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

from instageo.data.catalogs.access import Access, ListAccess, PlainAccess
from instageo.data.catalogs.boxes import SearchQuery
from instageo.data.catalogs.catalogs import CATALOGS, find_catalog
from instageo.data.catalogs.signatures import unsigned
from instageo.data.items.item import MOST_HREF, MOST_ID, Item, item_from_stac, printable
from instageo.errors import ConfigError, DataError
from instageo.files import write_bytes
from instageo.locations import is_remote
from instageo.wording import counted

MAX_BYTES = 1 << 30
"""Largest list that is read."""

MAX_NAMED = 3
"""Most damaged records that a message names."""


@dataclass(frozen=True)
class ItemList:
    """A frozen list.

    Attributes:
        items: Items, sorted by collection and id, without signatures.
        catalog: Key or URL of the catalogue; empty if unknown.
        collections: Collections that were searched.
        queries: Boxes and periods that were searched.
        searched: Time of the search, ISO; empty if unknown.
        damage: One sentence on records that could not be read; empty if all could.
    """

    items: tuple[Item, ...]
    catalog: str = ""
    collections: tuple[str, ...] = ()
    queries: tuple[SearchQuery, ...] = ()
    searched: str = ""
    damage: str = ""

    def of_collection(self, collection: str | None, path: Path) -> Self:
        """Return the list with the items of a collection alone; all of them if it is None.

        Raises:
            ConfigError: No item of the list, which `path` holds, is of the collection.
        """
        items = tuple(item for item in self.items if collection in (None, item.collection))
        if self.items and not items:
            names = sorted({item.collection or "no collection" for item in self.items})
            raise ConfigError(
                f"collection={collection}: {path} has no image of it, but of {', '.join(names)}; choose one of them, "
                "or leave --collection out"
            )
        return replace(self, items=items)


def write_items(path: Path, content: ItemList, *, files_from: Path | None = None) -> None:
    """Write a list as JSON or, if the name ends in `.parquet`, as stac-geoparquet: equal lists give equal bytes.

    Args:
        path: Where to write.
        content: What to write; signatures are dropped.
        files_from: Folder that relative addresses refer to; by default that of `path`.

    Raises:
        WriteError: The disk refuses the file.
        DataError: The records do not fit in a table.
    """
    records = [
        _moved(unsigned(item.record), files_from or path.parent, path.parent)
        for item in sorted(content.items, key=lambda item: (item.collection, item.id))
    ]
    head = {
        "catalog": content.catalog,
        "collections": sorted(content.collections),
        "queries": [{"bbox": list(query.box), "days": [str(query.first), str(query.last)]}
                    for query in sorted(content.queries)],
        "searched": content.searched,
    }  # fmt: skip
    if path.suffix == ".parquet":
        from instageo.data.catalogs.item_tables import table_bytes

        write_bytes(path, table_bytes(records, head, path))
        return
    lines = ",\n".join(json.dumps(record, sort_keys=True, separators=(",", ":")) for record in records)
    members = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(head.items()))
    write_bytes(path, f'{{"type": "FeatureCollection", {members}, "features": [\n{lines}\n]}}\n'.encode())


def read_items(path: Path) -> ItemList:
    """Read a list of `write_items`, or any FeatureCollection of STAC items or stac-geoparquet.

    Records that are damaged, or lack what chips need, are left out; `damage` names them.

    Raises:
        DataError: It does not exist, is damaged, or has damaged records alone.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: has {size} bytes; expected a list of items of at most {MAX_BYTES}")
        if path.suffix == ".parquet":
            from instageo.data.catalogs.item_tables import read_table

            records, head = read_table(path)
        else:
            head = json.loads(path.read_text(encoding="utf-8"))
            records = head["features"]
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or 'input or output failed'}); expected a list of items that "
            "a run has written (items.json), or STAC items as a FeatureCollection"
        ) from error
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is damaged or not a list of items; expected a FeatureCollection of STAC items, or stac-geoparquet"
        ) from error
    return _list_of(path, records, head)


def list_access(path: Path, catalog: str, *, also: Sequence[Path] = ()) -> Access:
    """Return what opens the files of a list.

    Args:
        path: The list, to which relative addresses refer.
        catalog: Key or URL of the catalogue that the items come from, as the list says.
        also: Further folders that local files may lie in.
    """
    is_named = catalog in CATALOGS or catalog.startswith(("https://", "http://"))
    remote: Access = find_catalog(catalog).open_files() if is_named else PlainAccess("")
    return ListAccess((path.parent, *also), remote)


def _list_of(path: Path, records: Any, head: Mapping[str, Any]) -> ItemList:
    if not isinstance(records, list):
        raise DataError(f"{path}: its features are no list; expected STAC items")
    items: dict[tuple[str, str], Item] = {}
    damaged = []
    for number, record in enumerate(records, start=1):
        try:
            item = _read_item(record)
        except DataError as error:
            damaged.append(f"feature {number}: {error}")
        else:
            items.setdefault((item.collection, item.id), item)
    damage = _describe_damage(path, damaged, len(records))
    if damaged and not items:
        raise DataError(damage)
    try:
        return ItemList(
            tuple(items[key] for key in sorted(items)), str(head.get("catalog") or ""),
            tuple(map(str, head.get("collections") or ())), tuple(_queries(head.get("queries") or ())),
            str(head.get("searched") or ""), damage,
        )  # fmt: skip
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{path}: its catalog, collections or queries are damaged") from error


def _read_item(record: Any) -> Item:
    try:
        return item_from_stac(unsigned(record))
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RecursionError) as error:
        name = printable(record.get("id"), MOST_ID) if isinstance(record, Mapping) else ""
        raise DataError(f"item {name} is not a STAC item" if name else "it is not a STAC item") from error


def _describe_damage(path: Path, damaged: Sequence[str], count: int) -> str:
    """Return one sentence on the damaged records of a list; empty without one."""
    if not damaged:
        return ""
    named = [*damaged[:MAX_NAMED], *(["…"] if len(damaged) > MAX_NAMED else [])]
    verb = "is" if len(damaged) == 1 else "are"
    return f"{path}: {len(damaged)} of {counted(count, 'record')} {verb} damaged and left out: {'; '.join(named)}"


def _queries(entries: Iterable[Mapping[str, Any]]) -> Iterable[SearchQuery]:
    for entry in entries:
        west, south, east, north = map(float, entry["bbox"])
        first, last = map(date.fromisoformat, entry["days"])
        yield SearchQuery((west, south, east, north), first, last)


def _moved(record: dict[str, Any], old: Path, new: Path) -> dict[str, Any]:
    """Return a record whose relative addresses refer to another folder."""
    if old.resolve() == new.resolve():
        return record
    assets = {}
    for key, asset in (record.get("assets") or {}).items():
        href = asset.get("href") if isinstance(asset, Mapping) else None
        if not isinstance(href, str) or not printable(href, MOST_HREF):
            continue  # as in `item_from_stac`
        if not is_remote(href) and not href.startswith("/"):
            href = Path(os.path.relpath((old / href).resolve(), new.resolve())).as_posix()
        assets[key] = {**asset, "href": href}
    return {**record, "assets": assets}
