"""Search a catalogue: a few boxes, all pages, the same items from every kind of server."""

import json
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pystac import STACError
from pystac_client import Client, ItemSearch
from pystac_client.conformance import ConformanceClasses
from pystac_client.errors import ClientTypeError

from instageo.data.catalogs.boxes import SearchQuery, touches
from instageo.data.catalogs.catalogs import Catalog
from instageo.data.catalogs.empty_search import explain_empty
from instageo.data.catalogs.http import CatalogError, Sleep, StacSession
from instageo.data.catalogs.signatures import unsigned
from instageo.data.items.item import Item, item_from_stac
from instageo.errors import DataError
from instageo.runtime.progress import track

MAX_EMPTY_PAGES = 20
"""Pages in a row without a new item after which a catalogue is taken to repeat itself."""


MAX_RECORDS = 200_000
"""Most records that a catalogue may give for a box and period; HLS has some 50 a day in the largest box."""


@dataclass(frozen=True)
class SearchResult:
    """What a search has found.

    Attributes:
        items: Items, sorted by collection and id, each once.
        requests: Requests to the catalogue, repeated ones and pages included.
        messages: Remarks for the user: collections without items, records that cannot be used.
        catalog: Key of the catalogue.
        collections: Collections that were searched.
        queries: Boxes and periods.
    """

    items: tuple[Item, ...]
    requests: int = 0
    messages: tuple[str, ...] = ()
    catalog: str = ""
    collections: tuple[str, ...] = ()
    queries: tuple[SearchQuery, ...] = field(default=(), repr=False)


def search(
    catalog: Catalog,
    queries: Sequence[SearchQuery],
    collections: Sequence[str],
    *,
    page_limit: int | None = None,
    sleep: Sleep = time.sleep,
) -> SearchResult:
    """Return the items of collections in any of the boxes and periods.

    Only box, period, collections and number of items are sent, because catalogues answer other conditions wrongly; the
    rest is filtered here.

    Args:
        catalog: Where to search.
        queries: Boxes and periods.
        collections: Names in this catalogue.
        page_limit: Items of a page; by default what suits the catalogue.
        sleep: How to wait before a repeated request.

    Raises:
        CatalogError: It cannot be reached, or is not a STAC API.
    """
    session = StacSession(catalog.root, interval_s=catalog.interval_s, sleep=sleep)
    client = _open(catalog, session)
    searches = [_prepare(client, query, collections, page_limit or catalog.page_limit) for query in queries]
    records: dict[tuple[str, str], dict[str, Any]] = {}
    with ThreadPoolExecutor(catalog.parallel, thread_name_prefix="search") as pool:
        pages = track(pool.map(lambda one: _all_records(catalog, one), searches), "searching", len(searches))
        for query, records_of_query in zip(queries, pages, strict=True):
            for record in records_of_query:
                _keep(records, record, query, collections)
    items, messages = _items(records.values())
    empty = [name for name in collections if all(item.collection != name for item in items)]
    messages += [explain_empty(session, catalog.key, name, queries) for name in empty] if queries else []
    return SearchResult(
        items, session.requests, tuple(messages), catalog.key, tuple(collections), tuple(sorted(set(queries)))
    )


def _open(catalog: Catalog, session: StacSession) -> Client:
    """Return the client of a catalogue; some servers do not say what they can do, and can do it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = Client.open(catalog.root, stac_io=session)
    except (ValueError, KeyError, TypeError, AttributeError, STACError, ClientTypeError) as error:
        raise CatalogError(
            f"{catalog.root}: is not the landing page of a STAC API ({type(error).__name__}); check the address"
        ) from error
    if not client.conforms_to(ConformanceClasses.ITEM_SEARCH):
        client.add_conforms_to("ITEM_SEARCH")
    return client


def _prepare(client: Client, query: SearchQuery, collections: Sequence[str], limit: int) -> ItemSearch:
    methods = {str(link.extra_fields.get("method") or "GET").upper() for link in client.get_links("search")}
    method = "POST" if "POST" in methods or not methods else "GET"
    return client.search(
        method=method, bbox=query.box, datetime=query.datetime, collections=list(collections), limit=limit
    )


def _all_records(catalog: Catalog, search: ItemSearch) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    names: set[tuple[str, str]] = set()
    idle = 0
    try:
        for page in search.pages_as_dicts():
            count = len(names)
            for record in page.get("features") or []:
                records.append(record)
                names.add(_key(record))
            if len(records) > MAX_RECORDS:
                raise CatalogError(
                    f"{catalog.root}: gives more than {MAX_RECORDS} images for one box of 2 degrees; shorten the dates"
                )
            idle = idle + 1 if len(names) == count else 0
            if idle >= MAX_EMPTY_PAGES:
                raise CatalogError(f"{catalog.root}: its pages repeat the same items without end; try again later")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise CatalogError(f"{catalog.root}: answers a search with something else than STAC items") from error
    return records


def _key(record: Any) -> tuple[str, str]:
    return str(record.get("collection") or ""), str(record.get("id") or "")


def _keep(records: dict[tuple[str, str], dict[str, Any]], record: dict[str, Any], query: SearchQuery,
          collections: Sequence[str]) -> None:  # fmt: skip
    """Keep a record if it is what was asked for; of two with one name the one that was updated last."""
    key = _key(record)
    if key[0] not in collections:
        return
    try:
        item = item_from_stac(record)
    except DataError:
        records.setdefault(key, record)  # the message about it is made later
        return
    if not (query.start <= item.time < query.end and touches(item.bounds, query.box)):
        return
    former = records.get(key)
    if former is None or _rank(former) < _rank(record):
        records[key] = record


def _rank(record: dict[str, Any]) -> tuple[str, str]:
    properties = record.get("properties") or {}
    updated = str(properties.get("updated") or properties.get("created") or "")
    return updated, json.dumps(unsigned(record), sort_keys=True)


def _items(records: Iterable[dict[str, Any]]) -> tuple[tuple[Item, ...], list[str]]:
    items, messages = [], []
    for record in sorted(records, key=_key):
        try:
            items.append(item_from_stac(unsigned(record)))
        except DataError as error:
            messages.append(f"{error}; it is left out")
    return tuple(items), messages
