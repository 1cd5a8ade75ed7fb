"""Frozen lists of items."""

import json
from datetime import date

import pyarrow.parquet as pq
import pytest

from instageo.data.catalogs.boxes import SearchQuery
from instageo.data.catalogs.item_lists import ItemList, list_access, read_items, write_items
from instageo.data.catalogs.item_tables import table_bytes
from instageo.data.catalogs.trust import RefusedAddressError
from instageo.data.items.item import item_from_stac
from instageo.errors import DataError
from tests.items import item_of, record_of

QUERY = SearchQuery((11.0, 43.0, 12.0, 44.0), date(2024, 5, 1), date(2024, 5, 31))


def a_list(*items):
    return ItemList(items, "planetary", ("hls2-s30",), (QUERY,), "2024-06-01T12:00:00Z")


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_lists_come_back_and_have_the_same_bytes(tmp_path, suffix):
    items = item_of("32TPM", "2024-05-02"), item_of("32TPM", "2024-05-01", **{"s2:processing_baseline": "05.09"})
    for name, order in (("a", items), ("b", items[::-1])):
        write_items(tmp_path / f"{name}.{suffix}", a_list(*order))
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    content = read_items(tmp_path / f"a.{suffix}")
    assert (content.catalog, content.collections, content.queries) == ("planetary", ("hls2-s30",), (QUERY,))
    assert content.searched == "2024-06-01T12:00:00Z"
    for item, former in zip(content.items, items[::-1], strict=True):
        for name in ("id", "collection", "time", "platform", "tile", "baseline", "cloud_percent", "bounds", "assets"):
            assert getattr(item, name) == getattr(former, name)
        assert json.dumps(item.geometry, sort_keys=True) == json.dumps(former.geometry, sort_keys=True)


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_no_signature_is_written(tmp_path, suffix):  # pitfall 61
    record = record_of()
    record["assets"]["B02"]["href"] = "https://me:pw@x.blob.core.windows.net/c/a.tif?se=2024&sig=SECRET&sv=1"
    record["links"] = [{"rel": "self", "href": "https://example.org/?sig=SECRET"}]
    path = tmp_path / f"items.{suffix}"
    write_items(path, a_list(item_from_stac(record)))
    assert read_items(path).items[0].assets["B02"].href == "https://x.blob.core.windows.net/c/a.tif"
    assert b"SECRET" not in path.read_bytes()
    assert b"sig=" not in path.read_bytes()


DAMAGED = (
    "", "{", "[]", '{"features": 3}', '{"features": [3]}', '{"features": [{}]}', "[" * 10**5,
    '{"features": [], "queries": [{"bbox": 3}]}', '{"features": [], "queries": 3}',
)  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_damaged_lists_are_one_sentence(tmp_path, text, suffix):
    path = tmp_path / f"items.{suffix}"
    path.write_text(text)
    with pytest.raises(DataError, match=str(path)) as error:
        read_items(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_damaged_records_are_left_out_and_named(tmp_path, suffix):
    good, timeless, lost = (record_of("32TPM", f"2024-05-0{day}") for day in (1, 2, 3))
    del timeless["properties"]["datetime"]
    path = tmp_path / f"items.{suffix}"
    if suffix == "json":
        lost["geometry"] = None
        path.write_text(json.dumps({"features": [good, timeless, lost]}))
    else:
        path.write_bytes(table_bytes([good, timeless, lost], {}, path))
        table = pq.read_table(path)
        shapes = [*table["geometry"].to_pylist()[:2], None]
        pq.write_table(table.set_column(table.schema.get_field_index("geometry"), "geometry", [shapes]), path)
    content = read_items(path)
    assert [item.id for item in content.items] == [good["id"]]
    assert content.damage == (
        f"{path}: 2 of 3 records are damaged and left out: "
        f"feature 2: item {timeless['id']} of the catalogue has no datetime or no geometry; "
        f"feature 3: item {lost['id']} of the catalogue has no datetime or no geometry"
    )


def test_many_damaged_records_are_counted(tmp_path):
    odd = record_of() | {"assets": [1]}
    (tmp_path / "items.json").write_text(json.dumps({"features": [record_of(), 3, {}, odd, *[None] * 96]}))
    damage = read_items(tmp_path / "items.json").damage
    assert "99 of 100 records are damaged and left out: feature 2: it is not a STAC item; feature 3: " in damage
    assert damage.endswith(f"feature 4: item {odd['id']} is not a STAC item; …")
    (tmp_path / "items.json").write_text(json.dumps({"features": [3]}))
    with pytest.raises(DataError, match="1 of 1 record is damaged and left out: feature 1: it is not a STAC item"):
        read_items(tmp_path / "items.json")


def test_a_missing_list(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_items(tmp_path / "items.json")


def test_relative_files_stay_where_they_are_when_a_list_is_written_elsewhere(tmp_path):
    record = record_of(assets=("B02",))
    record["assets"]["B02"]["href"] = "files/a.tif"
    for folder in ("catalog", "chips", "again"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "chips" / "items.json"
    write_items(path, a_list(item_from_stac(record)), files_from=tmp_path / "catalog")
    content = read_items(path)
    assert content.items[0].assets["B02"].href == "../catalog/files/a.tif"
    access = list_access(path, content.catalog)
    assert access.location("../catalog/files/a.tif") == str(tmp_path / "catalog" / "files" / "a.tif")
    write_items(tmp_path / "again" / "items.json", content, files_from=path.parent)
    assert (tmp_path / "again" / "items.json").read_bytes() == path.read_bytes()


def test_files_away_from_the_list_are_refused(tmp_path):
    folder = tmp_path / "a" / "b" / "c"
    access = list_access(folder / "items.json", "")
    assert access.location("x/y.tif") == str(folder / "x" / "y.tif")
    assert access.location((folder / "y.tif").as_uri()) == str(folder / "y.tif")
    for href in ("/etc/passwd", "../../x.tif", "file:///etc/passwd", "/vsicurl/http://10.0.0.1/x", "http://10.0.0.1/x"):
        with pytest.raises(RefusedAddressError):
            access.location(href)
    assert list_access(folder / "items.json", "", also=[tmp_path / "d"]).location(f"{tmp_path}/d/x.tif")
