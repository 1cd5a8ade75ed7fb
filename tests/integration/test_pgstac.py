"""The same items from real STAC servers and from frozen lists (acceptance cases 4 and 7)."""

from datetime import date

import numpy as np
import pytest

from instageo.data.catalogs.boxes import search_boxes
from instageo.data.catalogs.catalogs import Catalog
from instageo.data.catalogs.item_lists import ItemList, read_items, write_items
from instageo.data.catalogs.search import search
from tests.items import record_of
from tests.stac_servers import pgstac_server, rustac_server, why_no_pgstac

DAYS = [f"2024-05-{day:02}" for day in range(1, 6)]
POINTS = np.random.default_rng(0).uniform((10.4, 43.4), (11.4, 44.1), (100, 2))
PLACES = [(*point, date(2024, 5, 1), date(2024, 5, 5)) for point in POINTS]


def across(name, west, east):
    """Return the record of an image near longitude 180."""
    record = record_of(day="2024-05-03", name=name)
    ring = [[west, 0.0], [east, 0.0], [east, 1.0], [west, 1.0], [west, 0.0]]
    return record | {"bbox": [west, 0.0, east, 1.0], "geometry": {"type": "Polygon", "coordinates": [ring]}}


RECORDS = [
    *(record_of(tile, day) for tile in ("32TPM", "32TQM", "33TTG") for day in DAYS),
    across("zone60", 179.5, 180.0),
    across("zone1", -180.0, -179.5),
]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=["rustac", "pgstac"])
def catalog(request, tmp_path):
    if request.param == "pgstac" and why_no_pgstac():
        pytest.skip(why_no_pgstac())
    server = {"rustac": rustac_server, "pgstac": pgstac_server}[request.param]
    with server(tmp_path, RECORDS, DAYS) as url:
        yield Catalog("test", url.rstrip("/"))


def expected(*places):
    [query] = search_boxes(places)
    west, south, east, north = query.box
    return sorted(
        record["id"] for record in RECORDS
        if record["bbox"][0] <= east and record["bbox"][2] >= west
        and record["bbox"][1] <= north and record["bbox"][3] >= south
    )  # fmt: skip


def test_the_same_items_from_every_catalogue(catalog, tmp_path):
    queries = search_boxes(PLACES)
    assert len(queries) == 1  # 100 points of one tile
    for page in (2, 1000):
        found = search(catalog, queries, ["hls2-s30"], page_limit=page)
        assert [item.id for item in found.items] == expected(*PLACES)
        assert found.messages == ()
    for name in ("items.json", "items.parquet"):
        write_items(tmp_path / name, ItemList(found.items, "test", found.collections, found.queries))
        content = read_items(tmp_path / name)
        for item, former in zip(content.items, found.items, strict=True):
            for part in ("id", "time", "platform", "tile", "cloud_percent", "bounds", "assets"):
                assert getattr(item, part) == getattr(former, part)

    # Both sides of longitude 180: two boxes, whose west is less than their east (pitfall 44).
    queries = search_boxes([(lon, 0.5, date(2024, 5, 1), date(2024, 5, 5)) for lon in (179.98, -179.98)])
    assert [query.box[0] < query.box[2] for query in queries] == [True, True]
    assert [item.id for item in search(catalog, queries, ["hls2-s30"]).items] == ["zone1", "zone60"]

    [message] = search(catalog, queries, ["hls2-s3"]).messages  # pitfall 59
    assert "hls2-s30" in message
