"""Why a search has found nothing: an unknown collection, other dates, or another catalogue."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from instageo.data.catalogs.boxes import SearchQuery
from instageo.data.catalogs.http import StacSession
from instageo.errors import InstaGeoError, did_you_mean

HLS_IN_PLANETARY = date(2020, 1, 1)
"""First day of HLS in the Planetary Computer."""


def explain_empty(session: StacSession, catalog: str, collection: str, queries: Sequence[SearchQuery]) -> str:
    """Return one sentence on a collection without items: what the catalogue holds, and what to do.

    Args:
        session: Session with the catalogue.
        catalog: Its key.
        collection: Name of the collection.
        queries: Boxes and periods that were searched.
    """
    first, last = min(query.first for query in queries), max(query.last for query in queries)
    start = f"{catalog}: collection {collection} has no item from {first} to {last} at these places"
    if catalog == "planetary" and collection.startswith("hls2-") and first < HLS_IN_PLANETARY:
        return f"{start}; it begins on {HLS_IN_PLANETARY}, use catalog=lpdaac for earlier dates"
    try:
        records = {str(record.get("id")): record for record in _records(session)}
    except InstaGeoError as error:
        return f"{start}; what it holds cannot be asked ({error})"
    if collection not in records:
        names = list(records)
        near = did_you_mean(collection, names, cutoff=0.4)
        some = f"; it has {', '.join(sorted(names)[:8])}" if names and not near else ""
        return f"{catalog}: has no collection {collection}{near}{some}"
    return f"{start}; {_extent(records[collection])}"


def _records(session: StacSession) -> list[dict[str, Any]]:
    """Return the collections of a catalogue, all pages of them."""
    records = []
    for page, content in enumerate(session.get_pages(f"{session.root.rstrip('/')}/collections")):
        records += [record for record in content.get("collections") or [] if isinstance(record, dict)]
        if page >= 50:
            break
    return records


def _extent(collection: dict[str, Any]) -> str:
    """Return the first and last day of a collection."""
    try:
        [begin, end] = collection["extent"]["temporal"]["interval"][0]
    except (KeyError, TypeError, ValueError, IndexError):
        return "the catalogue does not say which dates it has; check dates and places"
    today = datetime.now(UTC).date()
    end = f"to {str(end)[:10]}" if end else f"until today ({today})"
    return f"it has items from {str(begin)[:10] if begin else 'its beginning'} {end}; check dates and places"
