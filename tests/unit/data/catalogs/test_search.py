"""Search, paging and retries against a small API on loopback."""

from datetime import date

import pytest

from instageo.data.catalogs.boxes import search_boxes
from instageo.data.catalogs.catalogs import Catalog, find_catalog
from instageo.data.catalogs.http import CatalogError
from instageo.data.catalogs.search import search
from instageo.errors import ConfigError
from tests.catalogues import searches, serving
from tests.items import record_of

DAYS = [f"2024-05-{day:02}" for day in range(1, 8)]
RECORDS = [record_of(tile, day) for tile in ("32TPM", "32TQM") for day in DAYS]
QUERIES = search_boxes([(11.0, 43.8, date(2024, 5, 1), date(2024, 5, 7))] * 100)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def find(url, waits=None, queries=QUERIES, collections=("hls2-s30",), **options):
    return search(
        Catalog("test", url), queries, collections, sleep=(waits if waits is not None else []).append, **options
    )


@pytest.mark.parametrize("page", [2, 1000])
@pytest.mark.parametrize("conforms", [True, False])
def test_all_pages_are_read_and_items_come_once(page, conforms):  # pitfalls 52, 58, 60
    with serving(records=RECORDS, page_size=page, repeat=2, conforms=conforms) as (url, state):
        result = find(url)
    assert [item.id for item in result.items] == [f"hls2-s30.32TPM.{day}" for day in DAYS]
    assert len(searches(state)) == (4 if page == 2 else 1)
    assert result.requests == len(state.log)
    assert set(searches(state)[0][2]) == {"bbox", "datetime", "collections", "limit"}
    assert result.messages == ()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 0])
def test_busy_servers_are_asked_again(status):  # pitfall 60
    waits = []
    with serving(records=RECORDS, faults=[status] * 3) as (url, _):
        result = find(url, waits)
    assert len(result.items) == 7
    assert [low <= wait <= 1.25 * low for low, wait in zip((1, 2, 4), waits, strict=True)] == [True] * 3


def test_a_catalogue_without_end_is_left(monkeypatch):
    """Each page has new items, so that nothing repeats."""
    monkeypatch.setattr("instageo.data.catalogs.search.MAX_RECORDS", 5)
    with serving(records=RECORDS, page_size=2) as (url, state), pytest.raises(CatalogError, match="more than 5 images"):
        find(url)
    assert len(searches(state)) == 3


def test_retry_after_wins():
    waits = []
    with serving(records=RECORDS, faults=[503], retry_after="7") as (url, _):
        find(url, waits)
    assert waits == [7.0]


def test_a_catalogue_that_stays_busy_is_one_sentence():
    waits = []
    with (
        serving(records=RECORDS, faults=[503] * 6) as (url, _),
        pytest.raises(CatalogError, match=r"HTTP 503 \(busy\)"),
    ):
        find(url, waits)
    assert len(waits) == 5


def test_a_refusal_is_final():
    waits = []
    with serving(faults=[403]) as (url, _), pytest.raises(CatalogError, match="HTTP 403"):
        find(url, waits)
    assert waits == []


def test_no_server_and_no_api():
    with serving() as (url, _):
        pass
    with pytest.raises(CatalogError, match="cannot be reached"):
        find(url)
    with serving() as (url, _), pytest.raises(CatalogError, match="is not the landing page of a STAC API"):
        find(f"{url}/collections")


def test_nothing_found_is_never_silent():  # pitfall 59
    with serving(records=RECORDS) as (url, _):
        earlier = search_boxes([(11.0, 43.8, date(2019, 1, 1), date(2019, 2, 1))])
        [message] = find(url, queries=earlier).messages
        assert message == (
            "test: collection hls2-s30 has no item from 2019-01-01 to 2019-02-01 at these places; it has items from "
            "2024-05-01 to 2024-05-07; check dates and places"
        )
        [message] = find(url, collections=["hls2-s3"]).messages
        assert message == "test: has no collection hls2-s3; did you mean hls2-s30?"
        [message] = search(Catalog("planetary", url), earlier, ["hls2-s30"]).messages
        assert message.endswith("it begins on 2020-01-01, use catalog=lpdaac for earlier dates")


def test_what_a_catalogue_returns_beyond_the_query_is_left_out():  # pitfall 58
    far = record_of("33TTG", "2024-05-01", bbox=None)
    far["bbox"] = [20.0, 43.0, 21.0, 44.0]
    with serving(records=[*RECORDS, far, record_of("32TPM", "2024-05-08T00:00:00Z")]) as (url, _):
        result = find(url)
    assert len(result.items) == 7


def test_a_record_without_time_is_named():
    damaged = record_of("32TPM", "2024-05-02", "damaged")
    damaged["geometry"] = None
    with serving(records=[*RECORDS, damaged]) as (url, _):
        result = find(url)
    assert len(result.items) == 7
    assert result.messages == ("item damaged of the catalogue has no datetime or no geometry; it is left out",)


def test_catalogues_by_name():
    assert find_catalog("planetary").root.startswith("https://planetarycomputer.microsoft.com/")
    assert find_catalog("https://cmr.earthdata.nasa.gov/stac/LPCLOUD/").key == "lpdaac"
    assert find_catalog("https://stac.example.org/v1/").root == "https://stac.example.org/v1"
    with pytest.raises(ConfigError, match="did you mean planetary"):
        find_catalog("planetery")
    with pytest.raises(ConfigError, match="has a user or a query"):
        find_catalog("https://example.org/?key=secret")
